package daemon

import (
	"errors"

	"vchat/daemon/api"
	"vchat/daemon/call"
	"vchat/daemon/frame"
	"vchat/daemon/link"
	"vchat/daemon/wire"
)

// linkHandler is the Daemon as its links see it.
type linkHandler Daemon

// Up hears of a new link; one that takes the place of another is not told as lost first.
func (s *linkHandler) Up(l *link.Link) {
	d := (*Daemon)(s)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.up[l.Peer()] = l
	d.publishLink(l.Peer())
	_, _ = d.step(call.LinkUp{Peer: l.Peer()})
}

func (s *linkHandler) Down(l *link.Link, why error) {
	d := (*Daemon)(s)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.up[l.Peer()] != l {
		return // another one took its place
	}
	if c, ok := d.calls.Get(l.Peer()); ok && !l.Can(wire.FeatureResume) {
		_, _ = d.step(call.GotEnd{Peer: c.Peer, ID: c.ID, Reason: call.LostTooLong, Text: "the other side holds no call without a link"})
	}
	delete(d.up, l.Peer())
	d.publishLink(l.Peer())
	_, _ = d.step(call.LinkDown{Peer: l.Peer(), Err: why})
}

func (s *linkHandler) Refused(peer string, why error) {
	d := (*Daemon)(s)
	d.mu.Lock()
	defer d.mu.Unlock()
	wrong := errors.Is(why, link.ErrWrongIdentity) || errors.Is(why, link.ErrRefused)
	_, _ = d.step(call.Refused{Peer: peer, WrongIdentity: wrong, Text: wire.Clean(why.Error(), wire.MaxReason)})
}

func (s *linkHandler) Message(l *link.Link, m wire.Message) {
	d := (*Daemon)(s)
	d.mu.Lock()
	defer d.mu.Unlock()
	peer := l.Peer()
	if d.up[peer] != l {
		return
	}
	switch m := m.(type) {
	case *wire.Invite:
		if p := d.sessions[peer]; p != nil {
			p.talk.anew()
		}
		_, _ = d.step(call.GotInvite{Peer: peer, ID: call.ID(m.Call)})
	case *wire.Ringing:
		_, _ = d.step(call.GotRinging{Peer: peer, ID: call.ID(m.Call)})
	case *wire.Accept:
		_, _ = d.step(call.GotAccept{Peer: peer, ID: call.ID(m.Call)})
	case *wire.Resume:
		_, _ = d.step(call.GotResume{Peer: peer, ID: call.ID(m.Call)})
	case *wire.End:
		_, _ = d.step(call.GotEnd{Peer: peer, ID: call.ID(m.Call), Reason: call.Reason(m.Reason), Text: m.Text})
	case *wire.State:
		d.heardState(l, m)
	case *wire.Text:
		d.heardText(l, m)
	}
}

// heardState notes what the other side's camera is like.
func (d *Daemon) heardState(l *link.Link, m *wire.State) {
	p, c := d.talking(l)
	if p == nil {
		return
	}
	before := p.camera
	p.camera, p.heard = m, frame.Wall(l.Local(m.Since))
	if before != nil && before.Camera == m.Camera && before.Reason == m.Reason && before.Rotate == m.Rotate {
		return
	}
	view := d.callView(c)
	d.events.Publish(api.Event{Event: api.EventCall, Peer: c.Peer, Call: &view})
}

// Wants says that frames are looked at: in an active call.
func (s *linkHandler) Wants(l *link.Link) bool {
	d := (*Daemon)(s)
	d.mu.Lock()
	defer d.mu.Unlock()
	p, _ := d.talking(l)
	return p != nil
}

// Frame passes a frame on to those who look at the peer.
func (s *linkHandler) Frame(l *link.Link, f *frame.Frame) {
	d := (*Daemon)(s)
	hub := d.feedOf(l, f)
	if hub == nil {
		f.Release()
		return
	}
	hub.Publish(f)
}

// Quality makes news of frames that are sent in another quality than before.
func (s *linkHandler) Quality(l *link.Link) {
	d := (*Daemon)(s)
	d.mu.Lock()
	defer d.mu.Unlock()
	p, c := d.talking(l)
	if p == nil {
		return
	}
	view := d.callView(c)
	if out := view.Sending; out != nil {
		d.log.Info("frames go out in another quality", "peer", c.Peer, "quality", out.Quality, "why", out.Reason)
	}
	d.events.Publish(api.Event{Event: api.EventCall, Peer: c.Peer, Call: &view})
}

func (d *Daemon) publishLink(peer string) {
	view := d.linkView(peer)
	d.events.Publish(api.Event{Event: api.EventLink, Peer: peer, Link: &view})
	poke(d.news)
}
