package view

import (
	"cmp"
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
		return StaleReason{Text: "the camera is turned off"}
	case c.State == api.CameraIdle:
		return StaleReason{Text: "the camera is starting"}
	}
	return cameraReason("", string(c.State), c.Reason, c.Since)
}

// PeerReason returns why no frames come from a peer. call is the call with the
// peer, or nil.
func PeerReason(peer string, call *api.Call) StaleReason {
	if call == nil {
		return StaleReason{Text: "you are not in a call with " + peer}
	}
	switch call.State {
	case api.CallCalling:
		if call.Link != nil && call.Link.State == api.LinkDown {
			return StaleReason{Text: peer + " is not reachable; still trying"}
		}
		return StaleReason{Text: "calling " + peer}
	case api.CallRinging:
		return StaleReason{Text: "ringing at " + peer}
	case api.CallIncoming:
		return StaleReason{Text: peer + " is calling"}
	}
	lost, after := "connection to "+peer+" lost", "; reconnecting"
	switch {
	case call.Link != nil && call.Link.State == api.LinkDown:
		return StaleReason{lost, call.Link.Since, after}
	case call.State == api.CallResuming:
		return StaleReason{lost, call.Since, after}
	case call.PeerCamera == nil:
		return StaleReason{}
	case call.PeerCamera.State == "privacy":
		return StaleReason{Text: peer + " has turned the camera off"}
	}
	return cameraReason(peer, call.PeerCamera.State, call.PeerCamera.Reason, call.PeerCamera.Since)
}

// ourCamera begins the reasons of a daemon that are about its camera.
const ourCamera = "the camera "

// cameraReason returns why a camera in this state delivers no frames. peer has
// the camera; "" is this device.
func cameraReason(peer, state, reason string, since time.Time) StaleReason {
	camera := ourCamera
	if peer != "" {
		camera = peer + "'s camera "
	}
	switch state {
	case string(api.CameraOpening):
		return StaleReason{Text: camera + "is starting"}
	case string(api.CameraFailed):
		if reason == "" {
			return StaleReason{camera + "failed", since, ""}
		}
	case string(api.CameraLost):
		if reason == "" {
			return StaleReason{camera + "was lost", since, ""}
		}
	default:
		return StaleReason{}
	}
	what, ofCamera := strings.CutPrefix(reason, ourCamera)
	switch {
	case ofCamera && strings.HasPrefix(what, "was "): // unplugged: at one moment
		return StaleReason{camera + what, since, ""}
	case ofCamera:
		return StaleReason{Text: camera + what}
	case peer != "":
		return StaleReason{Text: peer + ": " + reason}
	}
	return StaleReason{Text: reason}
}

// EndText returns how a call ended, as the daemon says it: who did what.
func EndText(c *api.Call) string {
	return cmp.Or(c.ReasonText, "the call with "+c.Peer+" has ended")
}

// CardText returns EndText for a screen. It leaves the address and the error of
// a connection to status and vchatctl call.
func CardText(c *api.Call) string {
	text := EndText(c)
	if c.Reason == api.ReasonUnreachable || c.Reason == api.ReasonLostTooLong {
		text, _, _ = strings.Cut(text, ": ")
	}
	return text
}

// CameraReason returns why a camera in this state delivers no frames, without a
// time; "" if it does, or if that is not known. An empty peer is this device.
func CameraReason(peer, state, reason string) string {
	return cameraReason(peer, state, reason, time.Time{}).At(time.Time{})
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
