package daemon

import (
	"errors"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/call"
	"vchat/daemon/frame"
	"vchat/daemon/wire"
)

// step gives the calls an event and does what follows from it. The caller holds mu.
func (d *Daemon) step(ev call.Event) (changed []call.Call, err error) {
	if d.ending {
		return nil, errEnding
	}
	actions, err := d.calls.Step(ev, time.Now())
	return d.do(actions), err
}

var errEnding = &api.Error{Kind: api.ShuttingDown, Message: "this device is about to stop"}

func (d *Daemon) do(actions []call.Action) (changed []call.Call) {
	for _, a := range actions {
		switch a := a.(type) {
		case call.Send:
			d.send(a)
		case call.Changed:
			d.changed(a.Call)
			changed = append(changed, a.Call)
		case call.Save:
			poke(d.dirty)
		}
	}
	for peer, p := range d.sessions {
		d.attach(peer, p)
	}
	d.setAlarm()
	return changed
}

// setAlarm sees to it that the calls hear of their next deadline.
func (d *Daemon) setAlarm() {
	at, ok := d.calls.Deadline()
	switch {
	case !ok && d.alarm != nil:
		d.alarm.Stop()
	case ok && d.alarm == nil:
		d.alarm = time.AfterFunc(time.Until(at), func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			_, _ = d.step(call.Tick{})
		})
	case ok:
		d.alarm.Reset(time.Until(at))
	}
}

func (d *Daemon) send(a call.Send) {
	l := d.up[a.Peer]
	if l == nil {
		return // call: "If that link is gone by now, the message is dropped"
	}
	id := wire.CallID(a.ID)
	switch a.Kind {
	case call.SendInvite:
		l.Send(&wire.Invite{Call: id})
	case call.SendRinging:
		l.Send(&wire.Ringing{Call: id})
	case call.SendAccept:
		l.Send(&wire.Accept{Call: id})
	case call.SendResume:
		l.Send(&wire.Resume{Call: id})
	case call.SendEnd:
		l.Send(&wire.End{Call: id, Reason: wire.Reason(a.Reason), Text: wire.Clean(a.Text, wire.MaxReason)})
	}
}

// changed follows a call into its new state.
func (d *Daemon) changed(c call.Call) {
	p := d.sessions[c.Peer]
	if p == nil && c.State != call.Ended {
		p = &callSession{hub: frame.NewHub()}
		d.sessions[c.Peer] = p
	}
	log := d.log.With("peer", c.Peer, "state", c.State, "direction", c.Direction)
	_, live := d.calls.Get(c.Peer)
	d.links.Want(c.Peer, live)
	switch c.State {
	case call.Resuming:
		p.frames = false
		if p.shown != nil {
			d.hold(p)
		}
	case call.Ended:
		log = log.With("reason", c.Reason.Key(), "by", c.EndedBy)
		if c.Text != "" {
			log = log.With("text", c.Text)
		}
		// A call that was turned away at once has no party, unless there is another one with the same peer.
		if p != nil && !live {
			d.show(p, nil)
			p.held.release()
			p.hub.End(errors.New(c.Reason.String()))
			delete(d.sessions, c.Peer)
		}
	}
	log.Info("call")
	view := d.callView(c)
	d.events.Publish(api.Event{Event: api.EventCall, Peer: c.Peer, Call: &view})
	poke(d.news)
	poke(d.talks)
	poke(stirred)
}

// poke leaves a message that one is enough of.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
