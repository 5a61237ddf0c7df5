package api

import "time"

// EventKind selects the fields of an Event that are set.
type EventKind string

const (
	// EventState has Status. It is the first event of a stream, and is sent
	// again after the daemon has dropped events for a slow reader.
	EventState EventKind = "state"
	// EventCall has Call: its state changed, or it ended. The state active is
	// sent once a call.
	EventCall EventKind = "call"
	// EventResumed has Call: it was in the state resuming, and is active again.
	EventResumed EventKind = "resumed"
	// EventFirstFrame has Call: its first frame has arrived, also after a
	// reconnect.
	EventFirstFrame EventKind = "first_frame"
	// EventPeerCamera has Peer and PeerCamera: the camera of a peer in a call
	// changed its state.
	EventPeerCamera EventKind = "peer_camera"
	// EventLink has Peer and Link: it came up or went down.
	EventLink EventKind = "link"
	// EventCamera has Camera: its state changed.
	EventCamera EventKind = "camera"
	// EventStats has Call, once per StatsInterval of an active call, and when
	// the quality of sent frames changes. Only the measurements have changed.
	EventStats EventKind = "stats"
	// EventViewer has Viewer: it opened the feed or, with Gone, closed it.
	EventViewer EventKind = "viewer"
	// EventText has Peer, From and Text: a message in the call.
	EventText EventKind = "text"
	// EventPrivacy has Privacy: it was turned on or off.
	EventPrivacy EventKind = "privacy"
	// EventConfig has Text: the result of reloading the configuration.
	EventConfig EventKind = "config"
	// EventPairing has Pairing: its state changed, or another device wants to
	// pair.
	EventPairing EventKind = "pairing"
	// EventDevice has Device, and Peer if it is one: it announces itself on the
	// local network or, with Gone, does not any more. Events of devices that
	// are no peers are dropped if there are many.
	EventDevice EventKind = "device"
)

// StatsInterval is the time between two EventStats of a call.
const StatsInterval = 5 * time.Second

// Event reports a change. Fields of other kinds are absent.
type Event struct {
	Time       time.Time   `json:"time"`
	Event      EventKind   `json:"event"`
	Peer       string      `json:"peer,omitempty"`
	Status     *Status     `json:"status,omitempty"`
	Call       *Call       `json:"call,omitempty"`
	Link       *Link       `json:"link,omitempty"`
	Camera     *Camera     `json:"camera,omitempty"`
	PeerCamera *PeerCamera `json:"peer_camera,omitempty"`
	Viewer     *Viewer     `json:"viewer,omitempty"`
	Device     *Device     `json:"device,omitempty"`
	Gone       bool        `json:"gone,omitempty"` // EventViewer: it closed the feed; EventDevice
	From       Side        `json:"from,omitempty"` // EventText: the sender
	Text       string      `json:"text,omitempty"`
	Privacy    *bool       `json:"privacy,omitempty"`
	Pairing    *Pairing    `json:"pairing,omitempty"`
}
