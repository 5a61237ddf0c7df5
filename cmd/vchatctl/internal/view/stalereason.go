package view

import (
	"strings"
	"time"

	"vchat/daemon/api"
)

// StaleReason is the reason why there may be no fresh frame: Text, and if it is known since when, how long ago that was, and After.
// The zero StaleReason is none.
type StaleReason struct {
	Text  string
	Since time.Time
	After string
}

// At is the reason as it is said now.
func (w StaleReason) At(now time.Time) string {
	if w.Since.IsZero() {
		return w.Text + w.After
	}
	return w.Text + " " + span(now.Sub(w.Since)) + " ago" + w.After
}

// LocalReason is what this device's camera says.
func LocalReason(s *api.Status) StaleReason {
	c := s.Camera
	switch {
	case s.Privacy:
		return StaleReason{Text: "privacy is on: the camera is closed"}
	case c.State == api.CameraIdle:
		return StaleReason{Text: "the camera is starting"}
	}
	return cameraReason("the camera", string(c.State), strings.TrimPrefix(c.Reason, c.Device+": "), c.Since)
}

// PeerReason is what is known of a peer's frames. Call is that with the peer, or nil.
func PeerReason(peer string, call *api.Call) StaleReason {
	if call == nil {
		return StaleReason{Text: "there is no call with " + peer}
	}
	switch call.State {
	case api.CallCalling:
		return StaleReason{Text: "calling " + peer}
	case api.CallRinging:
		return StaleReason{Text: "it rings at " + peer}
	case api.CallIncoming:
		return StaleReason{Text: peer + " is calling"}
	}
	const after = ", reconnecting"
	switch {
	case call.Link != nil && call.Link.State == api.LinkDown:
		return StaleReason{"link lost", call.Link.Since, after}
	case call.State == api.CallResuming:
		return StaleReason{"link lost", call.Since, after}
	case call.PeerCamera == nil:
		return StaleReason{}
	case call.PeerCamera.State == "privacy":
		return StaleReason{Text: peer + " has privacy on"}
	}
	return cameraReason(peer+"'s camera", call.PeerCamera.State, call.PeerCamera.Reason, call.PeerCamera.Since)
}

// cameraReason says why a camera gives no frames, as far as it does not.
func cameraReason(camera, state, reason string, since time.Time) StaleReason {
	after := ""
	if reason != "" {
		after = ": " + reason
	}
	switch state {
	case string(api.CameraOpening):
		return StaleReason{Text: camera + " is starting"}
	case string(api.CameraFailed):
		return StaleReason{camera + " has failed", since, after}
	case string(api.CameraLost):
		if strings.Contains(reason, "unplugged") {
			return StaleReason{camera + " was unplugged", since, ""}
		}
		return StaleReason{camera + " was lost", since, after}
	}
	return StaleReason{}
}
