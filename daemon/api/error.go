package api

import "net/http"

// Kind is what went wrong, for programs. Kinds are only added to.
type Kind string

const (
	BadRequest        Kind = "bad_request"
	NotFound          Kind = "not_found" // no such route: most likely another version
	NotPermitted      Kind = "not_permitted"
	NoSuchPeer        Kind = "no_such_peer"
	NoSuchCall        Kind = "no_such_call"
	NoSuchFeed        Kind = "no_such_feed"
	Conflict          Kind = "conflict"  // it cannot be done in the present state, such as a second call to the same peer
	LocalBusy         Kind = "busy_here" // this device has as many calls as it may have
	PeerBusy          Kind = "busy"
	PeerDeclined      Kind = "declined"
	PeerNoAnswer      Kind = "no_answer"
	PeerUnreachable   Kind = "peer_unreachable"
	PeerIdentity      Kind = "wrong_identity"
	CameraUnavailable Kind = "camera_unavailable"
	NoFrame           Kind = "no_frame"        // the feed exists, but no picture came in time
	PrivacyOn         Kind = "privacy"         // the camera is switched off by its owner
	NoSuchControl     Kind = "no_such_control" // of a camera
	BadValue          Kind = "bad_value"       // that no camera or control has
	Unsupported       Kind = "unsupported"
	TooFast           Kind = "too_fast"
	ShuttingDown      Kind = "shutting_down"
	Internal          Kind = "internal"
)

// HTTPStatus is the status code that an error of this kind travels under.
func (k Kind) HTTPStatus() int {
	switch k {
	case BadRequest, BadValue:
		return http.StatusBadRequest
	case NotPermitted:
		return http.StatusForbidden
	case NotFound, NoSuchPeer, NoSuchCall, NoSuchFeed, NoSuchControl:
		return http.StatusNotFound
	case Conflict, LocalBusy, PeerBusy, PeerDeclined, PeerNoAnswer, PrivacyOn:
		return http.StatusConflict
	case PeerUnreachable, PeerIdentity:
		return http.StatusBadGateway
	case CameraUnavailable, NoFrame, ShuttingDown:
		return http.StatusServiceUnavailable
	case TooFast:
		return http.StatusTooManyRequests
	case Unsupported:
		return http.StatusNotImplemented
	}
	return http.StatusInternalServerError
}

// Error is a refusal in words: what did not work, and where there is one, a hint at what to do.
type Error struct {
	Kind    Kind   `json:"kind"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func (e *Error) Error() string { return e.Message }

// ErrorBody is how an error travels.
type ErrorBody struct {
	Error *Error `json:"error"`
}
