package daemon

import (
	"time"

	"vchat/daemon/api"
	"vchat/daemon/call"
	"vchat/daemon/frame"
	"vchat/daemon/link"
	"vchat/daemon/wire"
)

// callSession is the other side of a call: its feed, and what was last heard of its camera.
type callSession struct {
	hub    *frame.Hub
	shown  *link.Link  // the link that our frames go to; nil: none
	held   hold        // on the camera, where that link was lost
	frames bool        // its frames have come since the call is active
	newest uint64      // the number of the last one
	camera *wire.State // nil: nothing was heard of it
	heard  time.Time   // when camera came
	talk   talk
}

// attach shows our frames to a party whose call is active, over the link there is now.
func (d *Daemon) attach(peer string, p *callSession) {
	var l *link.Link
	if c, ok := d.calls.Get(peer); ok && c.State == call.Active {
		l = d.up[peer]
	}
	d.show(p, l)
}

func (d *Daemon) show(p *callSession, l *link.Link) {
	if p.shown == l {
		return
	}
	if p.shown != nil {
		p.shown.Show(nil)
		p.talk.lost(time.Now())
	}
	p.shown = l
	if l != nil {
		l.Send(wireState(d.camera.Status()))
		l.Show(d.camera.Hub())
		p.talk.repeat(l)
		p.held.release()
	}
}

// talking gives the party whose call is active over this link, or nil. The caller holds mu.
func (d *Daemon) talking(l *link.Link) (*callSession, call.Call) {
	c, ok := d.calls.Get(l.Peer())
	if !ok || c.State != call.Active || d.up[l.Peer()] != l {
		return nil, call.Call{}
	}
	return d.sessions[l.Peer()], c
}

// feedOf gives the hub for what comes over a link, if it is wanted: not the newest frame once more, with which a link begins
// that takes another's place. The first frame is news; a card is not one.
func (d *Daemon) feedOf(l *link.Link, f *frame.Frame) *frame.Hub {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, c := d.talking(l)
	if p == nil || f.Seq == p.newest {
		return nil
	}
	p.newest = f.Seq
	if !f.Card {
		f.Rotate = degrees(p.camera)
	}
	if !p.frames && !f.Card {
		p.frames = true
		view := d.callView(c)
		d.events.Publish(api.Event{Event: api.EventCall, Peer: c.Peer, Call: &view})
		d.log.Info("frames flow", "peer", c.Peer)
	}
	return p.hub
}
