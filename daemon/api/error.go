package api

import "net/http"

// Kind classifies an error for programs. Kinds are only added.
type Kind string

// The kinds of errors.
const (
	BadRequest        Kind = "bad_request"
	NotFound          Kind = "not_found" // no such route, probably another version
	NotPermitted      Kind = "not_permitted"
	NoSuchPeer        Kind = "no_such_peer"
	NoSuchCall        Kind = "no_such_call"
	NoSuchFeed        Kind = "no_such_feed"
	NoSuchReader      Kind = "no_such_reader" // of the feeds
	Conflict          Kind = "conflict"       // impossible in the current state: a second call to a peer
	LimitReached      Kind = "limit_reached"  // of calls (calls.max) or of clients of the control socket
	PeerBusy          Kind = "busy"
	PeerDeclined      Kind = "declined"
	PeerNoAnswer      Kind = "no_answer"
	PeerUnreachable   Kind = "peer_unreachable"
	PeerIdentity      Kind = "wrong_identity"
	CameraUnavailable Kind = "camera_unavailable"
	NoFrame           Kind = "no_frame"        // the feed exists, but no frame arrived in time
	PrivacyOn         Kind = "privacy"         // the owner has turned the camera off
	NoSuchControl     Kind = "no_such_control" // of a camera
	BadValue          Kind = "bad_value"       // of a camera or a control
	BadConfig         Kind = "bad_config"      // the configuration file has a fault; the daemon runs without it
	Unsupported       Kind = "unsupported"
	RateLimited       Kind = "rate_limited"
	ShuttingDown      Kind = "shutting_down"
	CannotStart       Kind = "cannot_start" // systemd has started the daemon for this request, in vain
	Internal          Kind = "internal"
)

// HTTPStatus returns the status code of an answer with an error of this kind.
func (k Kind) HTTPStatus() int {
	switch k {
	case BadRequest, BadValue:
		return http.StatusBadRequest
	case BadConfig:
		return http.StatusUnprocessableEntity
	case NotPermitted:
		return http.StatusForbidden
	case NotFound, NoSuchPeer, NoSuchCall, NoSuchFeed, NoSuchControl, NoSuchReader:
		return http.StatusNotFound
	case Conflict, LimitReached, PeerBusy, PeerDeclined, PeerNoAnswer, PrivacyOn:
		return http.StatusConflict
	case PeerUnreachable, PeerIdentity:
		return http.StatusBadGateway
	case CameraUnavailable, NoFrame, ShuttingDown, CannotStart:
		return http.StatusServiceUnavailable
	case RateLimited:
		return http.StatusTooManyRequests
	case Unsupported:
		return http.StatusNotImplemented
	}
	return http.StatusInternalServerError
}

// Error describes a refused request.
type Error struct {
	Kind    Kind   `json:"kind"`
	Message string `json:"message"`        // what happened
	Hint    string `json:"hint,omitempty"` // what to do about it
}

func (e *Error) Error() string { return e.Message }

// ErrorBody is the body of every answer that is not 200 OK.
type ErrorBody struct {
	Error *Error `json:"error"`
}
