package view

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"vchat/daemon/api"
)

// deviceState is what the daemon has told of the device.
type deviceState struct {
	up     bool      // the daemon is there
	since  time.Time // of up
	status api.Status
	ended  map[string]api.Call // the last call with each peer that has ended while we listened
}

// hear takes an event.
func (d *deviceState) hear(e api.Event) {
	s := &d.status
	switch {
	case e.Event == api.EventState && e.Status != nil:
		*s = *e.Status
	case e.Event == api.EventCall && e.Call != nil:
		d.hearCall(*e.Call)
	case e.Event == api.EventLink && e.Link != nil:
		s.Calls = slices.Clone(s.Calls)
		for i := range s.Calls {
			if s.Calls[i].Peer == e.Peer {
				s.Calls[i].Link = e.Link
			}
		}
	case e.Event == api.EventCamera && e.Camera != nil:
		s.Camera = *e.Camera
	case e.Event == api.EventPrivacy && e.Privacy != nil:
		s.Privacy = *e.Privacy
	}
}

// hearCall takes what has become of a call. There is at most one with a peer, but if both sides have called each other its
// id changes, and the end of the other one is no end.
func (d *deviceState) hearCall(c api.Call) {
	over := c.State == api.CallEnded
	if now := d.call(c.Peer); over && now != nil && now.ID != c.ID {
		return
	}
	d.status.Calls = slices.DeleteFunc(slices.Clone(d.status.Calls), func(e api.Call) bool { return e.Peer == c.Peer })
	if !over {
		d.status.Calls = append(d.status.Calls, c)
		return
	}
	if d.ended == nil {
		d.ended = map[string]api.Call{}
	}
	d.ended[c.Peer] = c
}

// call is the call with a peer, or nil.
func (d *deviceState) call(peer string) *api.Call {
	i := slices.IndexFunc(d.status.Calls, func(c api.Call) bool { return c.Peer == peer })
	if i < 0 {
		return nil
	}
	return &d.status.Calls[i]
}

// connected is the peer of the newest call that is answered, or "".
func (d *deviceState) connected() string {
	peer, newest := "", time.Time{}
	for _, c := range d.status.Calls {
		if answered(c.State) && (peer == "" || c.Answered.After(newest)) {
			peer, newest = c.Peer, c.Answered
		}
	}
	return peer
}

// rings is the peer whose call rings here, or "".
func (d *deviceState) rings() string {
	for _, c := range d.status.Calls {
		if c.State == api.CallIncoming {
			return c.Peer
		}
	}
	return ""
}

func answered(s api.CallState) bool { return s == api.CallActive || s == api.CallResuming }

// staleReason says in words why there is no fresh frame of a feed.
func (d *deviceState) staleReason(feed string, now time.Time) string {
	switch {
	case !d.up && d.since.IsZero():
		return "waiting for vchatd"
	case !d.up:
		return StaleReason{"vchatd ended", d.since, ", waiting for it"}.At(now)
	case feed == api.Self:
		return cmp.Or(LocalReason(&d.status).At(now), "the camera sends no frames")
	}
	c := d.call(feed)
	if text := PeerReason(feed, c).At(now); text != "" {
		return text
	}
	if !c.HasFrames {
		return "waiting for the first frame of " + feed
	}
	return "nothing comes from " + feed
}

// span is a duration as one says it.
func span(d time.Duration) string {
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
