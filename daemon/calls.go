package daemon

import (
	"cmp"
	"context"
	"errors"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/call"
	"vchat/daemon/camera"
	"vchat/daemon/frame"
	"vchat/daemon/link"
	"vchat/daemon/wire"
)

// party is the other side of a call: its feed, and what was last heard of its camera.
type party struct {
	hub    *frame.Hub
	shown  *link.Link  // the link that our frames go to; nil: none
	held   hold        // on the camera, where that link was lost
	frames bool        // its frames have come since the call is active
	newest uint64      // the number of the last one
	camera *wire.State // nil: nothing was heard of it
	heard  time.Time   // when camera came
	talk   talk
}

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
	for peer, p := range d.parties {
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
	p := d.parties[c.Peer]
	if p == nil && c.State != call.Ended {
		p = &party{hub: frame.NewHub()}
		d.parties[c.Peer] = p
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
			delete(d.parties, c.Peer)
		}
	}
	log.Info("call")
	view := d.callView(c)
	d.events.Publish(api.Event{Event: api.EventCall, Peer: c.Peer, Call: &view})
	poke(d.news)
	poke(d.talks)
	poke(stirred)
}

// attach shows our frames to a party whose call is active, over the link there is now.
func (d *Daemon) attach(peer string, p *party) {
	var l *link.Link
	if c, ok := d.calls.Get(peer); ok && c.State == call.Active {
		l = d.up[peer]
	}
	d.show(p, l)
}

func (d *Daemon) show(p *party, l *link.Link) {
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

// switchboard is the Daemon as its links see it.
type switchboard Daemon

// Up hears of a new link; one that takes the place of another is not told as lost first.
func (s *switchboard) Up(l *link.Link) {
	d := (*Daemon)(s)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.up[l.Peer()] = l
	d.publishLink(l.Peer())
	_, _ = d.step(call.LinkUp{Peer: l.Peer()})
}

func (s *switchboard) Down(l *link.Link, why error) {
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

func (s *switchboard) Refused(peer string, why error) {
	d := (*Daemon)(s)
	d.mu.Lock()
	defer d.mu.Unlock()
	wrong := errors.Is(why, link.ErrWrongIdentity) || errors.Is(why, link.ErrRefused)
	_, _ = d.step(call.Refused{Peer: peer, WrongIdentity: wrong, Text: wire.Clean(why.Error(), wire.MaxReason)})
}

func (s *switchboard) Message(l *link.Link, m wire.Message) {
	d := (*Daemon)(s)
	d.mu.Lock()
	defer d.mu.Unlock()
	peer := l.Peer()
	if d.up[peer] != l {
		return
	}
	switch m := m.(type) {
	case *wire.Invite:
		if p := d.parties[peer]; p != nil {
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
func (s *switchboard) Wants(l *link.Link) bool {
	d := (*Daemon)(s)
	d.mu.Lock()
	defer d.mu.Unlock()
	p, _ := d.talking(l)
	return p != nil
}

// Frame passes a frame on to those who look at the peer.
func (s *switchboard) Frame(l *link.Link, f *frame.Frame) {
	d := (*Daemon)(s)
	hub := d.feedOf(l, f)
	if hub == nil {
		f.Release()
		return
	}
	hub.Publish(f)
}

// Quality makes news of frames that are sent in another quality than before.
func (s *switchboard) Quality(l *link.Link) {
	d := (*Daemon)(s)
	d.mu.Lock()
	defer d.mu.Unlock()
	p, c := d.talking(l)
	if p == nil {
		return
	}
	view := d.callView(c)
	if out := view.Sending; out != nil {
		d.log.Info("frames go out in another quality", "peer", c.Peer, "quality", out.Quality, "why", out.Why)
	}
	d.events.Publish(api.Event{Event: api.EventCall, Peer: c.Peer, Call: &view})
}

// talking gives the party whose call is active over this link, or nil. The caller holds mu.
func (d *Daemon) talking(l *link.Link) (*party, call.Call) {
	c, ok := d.calls.Get(l.Peer())
	if !ok || c.State != call.Active || d.up[l.Peer()] != l {
		return nil, call.Call{}
	}
	return d.parties[l.Peer()], c
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

// followCamera passes the camera's state on to peers and listeners.
func (d *Daemon) followCamera(ctx context.Context) error {
	for {
		select {
		case <-d.camera.Changed():
		case <-ctx.Done():
			return nil
		}
		s := d.camera.Status()
		d.mu.Lock()
		for _, p := range d.parties {
			if p.shown != nil {
				p.shown.Send(wireState(s))
			}
		}
		d.mu.Unlock()
		view := d.cameraView(s)
		d.events.Publish(api.Event{Event: api.EventCamera, Camera: &view})
		poke(d.news)
		poke(stirred)
	}
}

func (d *Daemon) publishLink(peer string) {
	view := d.linkView(peer)
	d.events.Publish(api.Event{Event: api.EventLink, Peer: peer, Link: &view})
	poke(d.news)
}

// wireState is the state of our camera as a peer is told of it, in the same words as here.
func wireState(s camera.Status) *wire.State {
	m := &wire.State{Since: frame.Now() - time.Since(s.Since), Reason: wire.Clean(cmp.Or(s.Reason, s.Headline), wire.MaxReason)}
	switch s.State {
	case camera.Streaming:
		m.Camera = wire.CameraStreaming
	case camera.Idle, camera.Opening:
		m.Camera = wire.CameraOpening
	case camera.Lost:
		m.Camera = wire.CameraLost
	case camera.Failed:
		m.Camera = wire.CameraFailed
	}
	if s.Privacy { // whatever else is the matter with it
		m.Camera, m.Reason = wire.CameraPrivacy, ""
	}
	m.Since, m.Rotate = max(m.Since, 0), uint8(s.Rotate/90)
	return m
}

// degrees is how the frames of a peer are to be turned.
func degrees(s *wire.State) int {
	if s == nil || s.Rotate > 3 {
		return 0
	}
	return 90 * int(s.Rotate)
}

// poke leaves a message that one is enough of.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
