package daemon

import (
	"errors"
	"fmt"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/call"
	"vchat/daemon/tune"
	"vchat/daemon/wire"
)

// step feeds an event to the calls, executes the resulting actions and returns
// the calls that changed. The caller holds mu.
func (d *Daemon) step(ev call.Event) (changed []call.Call, err error) {
	if d.stopping {
		return nil, d.errStopping()
	}
	actions, err := d.calls.Step(ev, time.Now())
	return d.execute(actions), err
}

// errStopping is the error of commands while the daemon stops. The caller
// holds mu.
func (d *Daemon) errStopping() error {
	return &api.Error{Kind: api.ShuttingDown, Message: fmt.Sprintf("%s is shutting down", d.cfg.Name)}
}

// execute runs the actions of a step. The caller holds mu.
func (d *Daemon) execute(actions []call.Action) (changed []call.Call) {
	for _, a := range actions {
		switch a := a.(type) {
		case call.Send:
			d.send(a)
		case call.Changed:
			d.callChanged(a.Call)
			changed = append(changed, a.Call)
		case call.Paused:
			d.log.Warn("calls of a peer refused: it calls too often", "peer", a.Peer, "for", a.For)
		case call.Save:
			notify(d.storeDirty)
		}
	}
	for peer, s := range d.sessions {
		d.attachLink(peer, s)
	}
	d.setDeadline()
	return changed
}

// setDeadline sets the timer for the next deadline of the calls.
func (d *Daemon) setDeadline() {
	at, ok := d.calls.Deadline()
	switch {
	case !ok && d.deadlineTimer != nil:
		d.deadlineTimer.Stop()
	case ok && d.deadlineTimer == nil:
		d.deadlineTimer = time.AfterFunc(time.Until(at), func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			_, _ = d.step(call.Tick{})
		})
	case ok:
		d.deadlineTimer.Reset(time.Until(at))
	}
}

// send sends a message of a call. Without a link it is dropped: the calls
// repeat what matters on the next one.
func (d *Daemon) send(a call.Send) {
	l := d.up[a.Peer]
	if l == nil {
		return
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
		l.Send(&wire.End{Call: id, Reason: wire.Reason(a.Reason), Text: wire.Sanitize(a.Text, wire.MaxReason)})
	}
}

// callChanged creates, updates or ends the session of a call that changed its
// state, and reports the change.
func (d *Daemon) callChanged(c call.Call) {
	s := d.sessions[c.Peer]
	if s == nil && c.State != call.Ended {
		s = newCallSession()
		s.reported = c.Restarts > 0 // before the restart
		d.sessions[c.Peer] = s
	}
	log := d.log.With("peer", c.Peer, "state", c.State, "direction", c.Direction, "call_id", wire.CallID(c.ID))
	_, live := d.calls.Get(c.Peer)
	d.links.SetInCall(c.Peer, live)
	switch c.State {
	case call.Resuming:
		s.hasFrames = false
		s.quiet = !s.interruptions.Allow()
		if s.link != nil {
			d.leaseCamera(s)
		}
	case call.Ended:
		log = log.With("reason", c.Reason.Key(), "by", c.EndedBy, "text", c.EndText())
		// A call that was refused at once has no session. If there is one, it
		// belongs to another call with the same peer.
		if s != nil && !live {
			d.showOn(s, nil)
			s.lease.release()
			s.hub.End(errors.New(c.EndText()))
			delete(d.sessions, c.Peer)
		}
	}
	if c.State == call.Ended || s == nil || !s.quiet {
		log.Info("call")
	}
	kind := api.EventCall
	if c.State == call.Active && s != nil {
		if s.reported {
			kind = api.EventResumed
		} else {
			s.comebacks = uint64(d.links.Status(c.Peer).Reconnects)
		}
		s.reported = true
	}
	d.publishCall(kind, c)
	notify(d.statusDirty)
	notify(d.statsDirty)
	tune.Notify()
}

// notify wakes the receiver of c, a channel with room for one value. Several
// notifications may arrive as one.
func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
