package view

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"vchat/daemon/api"
)

// deviceState is the state of this device as the daemon reports it.
type deviceState struct {
	daemonUp bool
	since    time.Time // of daemonUp; zero: never connected
	status   api.Status
	ended    map[string]api.Call // the last call with each peer that ended

	pairingSince time.Time // when status.Pairing changed
}

// setDaemonUp records whether the daemon answers.
func (d *deviceState) setDaemonUp(up bool) {
	if d.daemonUp != up {
		d.daemonUp, d.since = up, time.Now()
	}
}

// apply updates the state with an event that was just received.
func (d *deviceState) apply(e api.Event) {
	setTimes(&e, time.Now())
	s := &d.status
	switch {
	case e.Event == api.EventState && e.Status != nil:
		*s = *e.Status
		if p := s.Pairing; p != nil && p.State == api.PairingRequested && s.DoNotDisturb {
			s.Pairing = nil
		}
		d.pairingSince = time.Now()
	case e.Call != nil && e.Event != api.EventStats:
		d.applyCall(*e.Call)
	case e.Event == api.EventPeerCamera && e.PeerCamera != nil:
		s.Calls = slices.Clone(s.Calls)
		for i := range s.Calls {
			if s.Calls[i].Peer == e.Peer {
				s.Calls[i].PeerCamera = e.PeerCamera
			}
		}
	case e.Event == api.EventLink && e.Link != nil:
		s.Calls = slices.Clone(s.Calls)
		for i := range s.Calls {
			if s.Calls[i].Peer == e.Peer {
				s.Calls[i].Link = e.Link
			}
		}
		s.Peers = slices.Clone(s.Peers)
		for i := range s.Peers {
			if s.Peers[i].Name == e.Peer {
				s.Peers[i].Link = *e.Link
			}
		}
	case e.Event == api.EventCamera && e.Camera != nil:
		s.Camera = *e.Camera
	case e.Event == api.EventPrivacy && e.Privacy != nil:
		s.Privacy = *e.Privacy
	case e.Event == api.EventPairing && e.Pairing != nil:
		d.pairingSince = time.Now()
		switch s.Pairing = e.Pairing; e.Pairing.State {
		case api.PairingPaired, api.PairingFailed, api.PairingWithdrawn:
			s.Pairing = nil
		}
	}
}

// applyCall updates the call with a peer, of which there is at most one. If
// both sides call each other, the id of the call changes; the end of the other
// id is then ignored.
func (d *deviceState) applyCall(c api.Call) {
	ended := c.State == api.CallEnded
	if present := d.call(c.Peer); ended && present != nil && present.ID != c.ID {
		return
	}
	samePeer := func(old api.Call) bool { return old.Peer == c.Peer }
	d.status.Calls = slices.DeleteFunc(slices.Clone(d.status.Calls), samePeer)
	if !ended {
		d.status.Calls = append(d.status.Calls, c)
		return
	}
	if d.ended == nil {
		d.ended = map[string]api.Call{}
	}
	d.ended[c.Peer] = c
}

// call returns the call with a peer, or nil.
func (d *deviceState) call(peer string) *api.Call {
	i := slices.IndexFunc(d.status.Calls, func(c api.Call) bool { return c.Peer == peer })
	if i < 0 {
		return nil
	}
	return &d.status.Calls[i]
}

// connectedPeer returns the peer of the call answered last, or "".
func (d *deviceState) connectedPeer() string {
	peer, newest := "", time.Time{}
	for _, c := range d.status.Calls {
		if answered(c.State) && (peer == "" || c.Answered.After(newest)) {
			peer, newest = c.Peer, c.Answered
		}
	}
	return peer
}

// caller returns the peer of an incoming call, or "".
func (d *deviceState) caller() string {
	for _, c := range d.status.Calls {
		if c.State == api.CallIncoming {
			return c.Peer
		}
	}
	return ""
}

func answered(s api.CallState) bool { return s == api.CallActive || s == api.CallResuming }

// staleReason returns why there is no new frame of a feed.
func (d *deviceState) staleReason(feed string, now time.Time) string {
	switch {
	case !d.daemonUp && d.since.IsZero():
		return "waiting for vchatd"
	case !d.daemonUp:
		return DaemonStopped(d.since).At(now)
	case feed == api.Self:
		return cmp.Or(LocalReason(&d.status).At(now), NoPicture(feed))
	}
	c := d.call(feed)
	if text := PeerReason(feed, c).At(now); text != "" {
		return text
	}
	if !c.HasFrames {
		return "waiting for the first frame from " + feed
	}
	return NoPicture(feed)
}

// formatAge formats a duration in its largest unit, rounded down.
func formatAge(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 100*time.Second:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 100*time.Minute:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
