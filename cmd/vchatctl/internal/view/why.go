package view

import (
	"strings"
	"time"

	"vchat/daemon/api"
)

// Why is the reason why there may be no fresh frame: Text, and if it is known since when, how long ago that was, and After.
// The zero Why is none.
type Why struct {
	Text  string
	Since time.Time
	After string
}

// At is the reason as it is said now.
func (w Why) At(now time.Time) string {
	if w.Since.IsZero() {
		return w.Text + w.After
	}
	return w.Text + " " + span(now.Sub(w.Since)) + " ago" + w.After
}

// WhyNotHere is what this device's camera says.
func WhyNotHere(s *api.Status) Why {
	c := s.Camera
	switch {
	case s.Privacy:
		return Why{Text: "privacy is on: the camera is closed"}
	case c.State == api.CameraIdle:
		return Why{Text: "the camera is starting"}
	}
	return whyOf("the camera", string(c.State), strings.TrimPrefix(c.Reason, c.Device+": "), c.Since)
}

// WhyNotThere is what is known of a peer's frames. Call is that with the peer, or nil.
func WhyNotThere(peer string, call *api.Call) Why {
	if call == nil {
		return Why{Text: "there is no call with " + peer}
	}
	switch call.State {
	case api.CallCalling:
		return Why{Text: "calling " + peer}
	case api.CallRinging:
		return Why{Text: "it rings at " + peer}
	case api.CallIncoming:
		return Why{Text: peer + " is calling"}
	}
	const after = ", reconnecting"
	switch {
	case call.Link != nil && call.Link.State == api.LinkDown:
		return Why{"link lost", call.Link.Since, after}
	case call.State == api.CallResuming:
		return Why{"link lost", call.Since, after}
	case call.PeerCamera == nil:
		return Why{}
	case call.PeerCamera.State == "privacy":
		return Why{Text: peer + " has privacy on"}
	}
	return whyOf(peer+"'s camera", call.PeerCamera.State, call.PeerCamera.Reason, call.PeerCamera.Since)
}

// whyOf says why a camera gives no frames, as far as it does not.
func whyOf(camera, state, reason string, since time.Time) Why {
	after := ""
	if reason != "" {
		after = ": " + reason
	}
	switch state {
	case string(api.CameraOpening):
		return Why{Text: camera + " is starting"}
	case string(api.CameraFailed):
		return Why{camera + " has failed", since, after}
	case string(api.CameraLost):
		if strings.Contains(reason, "unplugged") {
			return Why{camera + " was unplugged", since, ""}
		}
		return Why{camera + " was lost", since, after}
	}
	return Why{}
}
