package view

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"vchat/daemon/api"
)

// known is what the daemon has told of the device.
type known struct {
	up     bool      // the daemon is there
	since  time.Time // of up
	status api.Status
	ended  map[string]api.Call // the last call with each peer that has ended while we listened
}

// hear takes an event.
func (k *known) hear(e api.Event) {
	s := &k.status
	switch {
	case e.Event == api.EventState && e.Status != nil:
		*s = *e.Status
	case e.Event == api.EventCall && e.Call != nil:
		k.hearCall(*e.Call)
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
func (k *known) hearCall(c api.Call) {
	over := c.State == api.CallEnded
	if now := k.call(c.Peer); over && now != nil && now.ID != c.ID {
		return
	}
	k.status.Calls = slices.DeleteFunc(slices.Clone(k.status.Calls), func(d api.Call) bool { return d.Peer == c.Peer })
	if !over {
		k.status.Calls = append(k.status.Calls, c)
		return
	}
	if k.ended == nil {
		k.ended = map[string]api.Call{}
	}
	k.ended[c.Peer] = c
}

// call is the call with a peer, or nil.
func (k *known) call(peer string) *api.Call {
	i := slices.IndexFunc(k.status.Calls, func(c api.Call) bool { return c.Peer == peer })
	if i < 0 {
		return nil
	}
	return &k.status.Calls[i]
}

// connected is the peer of the newest call that is answered, or "".
func (k *known) connected() string {
	peer, newest := "", time.Time{}
	for _, c := range k.status.Calls {
		if answered(c.State) && (peer == "" || c.Answered.After(newest)) {
			peer, newest = c.Peer, c.Answered
		}
	}
	return peer
}

// rings is the peer whose call rings here, or "".
func (k *known) rings() string {
	for _, c := range k.status.Calls {
		if c.State == api.CallIncoming {
			return c.Peer
		}
	}
	return ""
}

func answered(s api.CallState) bool { return s == api.CallActive || s == api.CallResuming }

// why says in words why there is no fresh frame of a feed.
func (k *known) why(feed string, now time.Time) string {
	switch {
	case !k.up && k.since.IsZero():
		return "waiting for vchatd"
	case !k.up:
		return Why{"vchatd ended", k.since, ", waiting for it"}.At(now)
	case feed == api.Self:
		return cmp.Or(WhyNotHere(&k.status).At(now), "the camera sends no frames")
	}
	c := k.call(feed)
	if text := WhyNotThere(feed, c).At(now); text != "" {
		return text
	}
	if !c.Frames {
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
