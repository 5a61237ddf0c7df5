package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
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

// why says in words why there is no fresh picture of a feed.
func (k *known) why(feed string, now time.Time) string {
	switch {
	case !k.up && k.since.IsZero():
		return "waiting for vchatd"
	case !k.up:
		return "vchatd ended" + ago(k.since, now) + ", waiting for it"
	case feed == api.Self:
		return k.whyNotHere(now)
	}
	c := k.call(feed)
	if c == nil {
		return "there is no call with " + feed
	}
	switch c.State {
	case api.CallCalling:
		return "calling " + feed
	case api.CallRinging:
		return "it rings at " + feed
	case api.CallIncoming:
		return feed + " is calling"
	}
	if c.Link != nil && c.Link.State == api.LinkDown {
		return "link lost" + ago(c.Link.Since, now) + ", reconnecting"
	}
	if c.State == api.CallResuming {
		return "link lost" + ago(c.Since, now) + ", reconnecting"
	}
	if pc := c.PeerCamera; pc != nil {
		if text := cameraText(feed, pc.State, pc.Reason, pc.Since, now); text != "" {
			return text
		}
	}
	if !c.Pictures {
		return "waiting for the first picture of " + feed
	}
	return "nothing comes from " + feed
}

func (k *known) whyNotHere(now time.Time) string {
	c := k.status.Camera
	if k.status.Privacy {
		return "privacy is on: the camera is closed"
	}
	if c.State == api.CameraIdle {
		return "the camera is starting"
	}
	reason := strings.TrimPrefix(c.Reason, c.Device+": ")
	return cmp.Or(cameraText("", string(c.State), reason, c.Since, now), "the camera sends no pictures")
}

// cameraText says why a camera gives no pictures, or "" if it says that it does. Whose is "" for our own.
func cameraText(whose, state, reason string, since, now time.Time) string {
	camera, owner := "the camera", "this device"
	if whose != "" {
		camera, owner = whose+"'s camera", whose
	}
	switch state {
	case "privacy":
		return owner + " has privacy on"
	case string(api.CameraOpening):
		return camera + " is starting"
	case string(api.CameraLost), string(api.CameraFailed):
		if strings.Contains(reason, "unplugged") {
			return camera + " was unplugged" + ago(since, now)
		}
		what := " was lost"
		if state == string(api.CameraFailed) {
			what = " has failed"
		}
		text := camera + what + ago(since, now)
		if reason != "" {
			text += ": " + reason
		}
		return text
	}
	return ""
}

// ago is " 12 s ago", or "" if that is not known.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " " + span(now.Sub(t)) + " ago"
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
