package view

import (
	"strings"
	"time"

	"vchat/daemon/api"
)

// StaleReason is the reason why there is no new frame. If Since is set, the
// text says between Text and After how long ago that was. The zero value means
// that no reason is known.
type StaleReason struct {
	Text  string
	Since time.Time
	After string
}

// DaemonStopped returns the reason while the daemon does not answer.
func DaemonStopped(since time.Time) StaleReason {
	return StaleReason{"vchatd stopped", since, "; waiting for it to restart"}
}

// LocalReason returns why this device's camera delivers no frames.
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

// PeerReason returns why no frames come from a peer. call is the call with the
// peer, or nil.
func PeerReason(peer string, call *api.Call) StaleReason {
	if call == nil {
		return StaleReason{Text: "no call with " + peer}
	}
	switch call.State {
	case api.CallCalling:
		return StaleReason{Text: "calling " + peer}
	case api.CallRinging:
		return StaleReason{Text: "ringing at " + peer}
	case api.CallIncoming:
		return StaleReason{Text: peer + " is calling"}
	}
	const after = "; reconnecting"
	switch {
	case call.Link != nil && call.Link.State == api.LinkDown:
		return StaleReason{"connection lost", call.Link.Since, after}
	case call.State == api.CallResuming:
		return StaleReason{"connection lost", call.Since, after}
	case call.PeerCamera == nil:
		return StaleReason{}
	case call.PeerCamera.State == "privacy":
		return StaleReason{Text: peer + " has turned the camera off"}
	}
	return cameraReason(peer+"'s camera", call.PeerCamera.State, call.PeerCamera.Reason, call.PeerCamera.Since)
}

// cameraReason returns why a camera in this state delivers no frames.
func cameraReason(camera, state, reason string, since time.Time) StaleReason {
	after := ""
	if reason != "" {
		after = ": " + reason
	}
	switch state {
	case string(api.CameraOpening):
		return StaleReason{Text: camera + " is starting"}
	case string(api.CameraFailed):
		return StaleReason{camera + " failed", since, after}
	case string(api.CameraLost):
		if strings.Contains(reason, "unplugged") {
			return StaleReason{camera + " was unplugged", since, ""}
		}
		return StaleReason{camera + " was lost", since, after}
	}
	return StaleReason{}
}

// NoPicture returns the message that a feed delivers no frames.
func NoPicture(feed string) string {
	if feed == api.Self {
		return "no picture from the camera"
	}
	return "no picture from " + feed
}

// At returns the reason as a text for time now.
func (r StaleReason) At(now time.Time) string {
	if r.Since.IsZero() {
		return r.Text + r.After
	}
	return r.Text + " " + formatAge(now.Sub(r.Since)) + " ago" + r.After
}
