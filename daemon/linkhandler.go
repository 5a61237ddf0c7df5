package daemon

import (
	"errors"

	"vchat/daemon/api"
	"vchat/daemon/call"
	"vchat/daemon/frame"
	"vchat/daemon/link"
	"vchat/daemon/wire"
)

// linkHandler implements link.Handler: it turns what happens on links into
// events of the calls.
type linkHandler Daemon

// Up records a new link. It may replace another one to the same peer, for
// which Down has not been called.
func (h *linkHandler) Up(l *link.Link) {
	d := (*Daemon)(h)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.up[l.Peer()] = l
	if s := d.sessions[l.Peer()]; s != nil {
		s.refused = ""
	}
	d.publishLink(l.Peer())
	_, _ = d.step(call.LinkUp{Peer: l.Peer()})
}

// Down removes a link, unless it was replaced. A peer without
// wire.FeatureResume drops the call with its link, so the call ends here too.
func (h *linkHandler) Down(l *link.Link, err error) {
	d := (*Daemon)(h)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.up[l.Peer()] != l {
		return
	}
	if c, ok := d.calls.Get(l.Peer()); ok && !l.Supports(wire.FeatureResume) {
		_, _ = d.step(call.GotEnd{
			Peer: c.Peer, ID: c.ID, Reason: call.LostTooLong, Text: c.Peer + " cannot resume calls",
		})
	}
	delete(d.up, l.Peer())
	d.publishLink(l.Peer())
	_, _ = d.step(call.LinkDown{Peer: l.Peer(), Err: inWords(l.Peer(), err)})
}

// Refused ends a call with a peer that no retry can reach.
func (h *linkHandler) Refused(peer string, err error) {
	d := (*Daemon)(h)
	d.mu.Lock()
	defer d.mu.Unlock()
	wrong := errors.Is(err, link.ErrWrongIdentity) || errors.Is(err, link.ErrRefused)
	_, _ = d.step(call.Refused{Peer: peer, WrongIdentity: wrong, Text: wire.Sanitize(linkReason(peer, err),
		wire.MaxReason)})
	// A call that resumes continues to wait: the address may have been given to
	// another device. But its state shows the mismatch.
	s := d.sessions[peer]
	if c, ok := d.calls.Get(peer); ok && s != nil && s.refused != err.Error() {
		s.refused = err.Error()
		d.publishCall(api.EventCall, c)
	}
}

// Message handles a message of the peer. Those of a replaced link are dropped.
func (h *linkHandler) Message(l *link.Link, m wire.Message) {
	d := (*Daemon)(h)
	d.mu.Lock()
	defer d.mu.Unlock()
	peer := l.Peer()
	if d.up[peer] != l {
		return
	}
	switch m := m.(type) {
	case *wire.Invite:
		if s := d.sessions[peer]; s != nil {
			s.chat.resetReceived()
		}
		_, _ = d.step(call.GotInvite{Peer: peer, ID: call.ID(m.Call)})
	case *wire.Ringing:
		_, _ = d.step(call.GotRinging{Peer: peer, ID: call.ID(m.Call)})
	case *wire.Accept:
		_, _ = d.step(call.GotAccept{Peer: peer, ID: call.ID(m.Call)})
	case *wire.Resume:
		_, _ = d.step(call.GotResume{Peer: peer, ID: call.ID(m.Call)})
	case *wire.End:
		if m.Reason == wire.ReasonUnknownCall && l.OtherInstance() {
			return // another device with the peer's key, which was never in the call
		}
		_, _ = d.step(call.GotEnd{Peer: peer, ID: call.ID(m.Call), Reason: call.Reason(m.Reason), Text: m.Text})
	case *wire.State:
		d.receiveState(l, m)
	case *wire.Text:
		d.receiveText(l, m)
	}
}

// receiveState records the state of the peer's camera and publishes a change.
func (d *Daemon) receiveState(l *link.Link, m *wire.State) {
	s, c := d.activeSession(l)
	if s == nil {
		return
	}
	before := s.peerCamera
	s.peerCamera, s.peerCameraSince = m, frame.Wall(l.LocalTime(m.Since))
	if before != nil && before.Camera == m.Camera && before.Reason == m.Reason && before.Rotate == m.Rotate {
		return
	}
	d.publish(api.Event{Event: api.EventPeerCamera, Peer: c.Peer, PeerCamera: s.peerCameraView()})
}

// Wants implements link.Handler: only the frames of an active call are wanted.
func (h *linkHandler) Wants(l *link.Link) link.Wanted {
	d := (*Daemon)(h)
	d.mu.Lock()
	defer d.mu.Unlock()
	switch s, _ := d.activeSession(l); {
	case s == nil:
		return link.WantsNothing
	case s.hub.Readers() == 0:
		return link.WantsNewest
	}
	return link.WantsAll
}

// Skipped records that frames arrive. The newest one that the hub has is not
// the newest any more.
func (h *linkHandler) Skipped(l *link.Link, m frame.Meta) {
	if hub := (*Daemon)(h).feedOf(l, &m); hub != nil {
		hub.Forget()
	}
}

// Frame publishes a frame on the peer's feed. It takes over the reference.
func (h *linkHandler) Frame(l *link.Link, f *frame.Frame) {
	hub := (*Daemon)(h).feedOf(l, &f.Meta)
	if hub == nil {
		f.Release()
		return
	}
	hub.Publish(f)
}

// Quality logs and publishes that the quality of sent frames has changed.
func (h *linkHandler) Quality(l *link.Link) {
	d := (*Daemon)(h)
	d.mu.Lock()
	defer d.mu.Unlock()
	s, c := d.activeSession(l)
	if s == nil {
		return
	}
	if out := d.callView(c).Sending; out != nil {
		d.logQuality(s, c, out)
	}
	d.publishCall(api.EventStats, c)
}

// logQuality logs a change of the quality of sent frames. The caller holds mu.
func (d *Daemon) logQuality(s *callSession, c call.Call, out *api.Sending) {
	if !s.qualityLines.Allow() {
		s.qualityOmitted++
		return
	}
	attrs := []any{"peer", c.Peer, "call_id", wire.CallID(c.ID), "quality", out.Quality, "cause", out.Reason}
	if s.qualityOmitted > 0 {
		attrs = append(attrs, "omitted", s.qualityOmitted)
		s.qualityOmitted = 0
	}
	d.log.Info("send quality changed", attrs...)
}

func (d *Daemon) publishLink(peer string) {
	view := d.linkView(peer)
	d.events.Publish(api.Event{Event: api.EventLink, Peer: peer, Link: &view})
	notify(d.statusDirty)
}
