package api

import "time"

// EventKind is what an event tells of.
type EventKind string

const (
	EventState   EventKind = "state"   // Status: all of the present; the first of a stream, and again where events were lost
	EventCall    EventKind = "call"    // Call: it has changed its state, has ended, or its first frame has come
	EventLink    EventKind = "link"    // Peer and Link: it came up or went down
	EventCamera  EventKind = "camera"  // Camera: it has changed its state
	EventNumbers EventKind = "numbers" // Call: every NumbersEvery of an active call; nothing has changed but what is measured
	EventViewer  EventKind = "viewer"  // Viewer: it has come or gone
	EventText    EventKind = "text"    // Peer, From and Text: a line that was said in the call
	EventPrivacy EventKind = "privacy" // Privacy: it was switched on or off
	EventConfig  EventKind = "config"  // the configuration was read again; Text says what came of it
)

// NumbersEvery is the time between two EventNumbers of a call.
const NumbersEvery = 5 * time.Second

// Event is something that happened. Only the fields of its kind are there.
type Event struct {
	Time    time.Time `json:"time"`
	Event   EventKind `json:"event"`
	Peer    string    `json:"peer,omitempty"`
	Status  *Status   `json:"status,omitempty"`
	Call    *Call     `json:"call,omitempty"`
	Link    *Link     `json:"link,omitempty"`
	Camera  *Camera   `json:"camera,omitempty"`
	Viewer  *Viewer   `json:"viewer,omitempty"`
	Gone    bool      `json:"gone,omitempty"` // of a viewer: it has gone
	From    Side      `json:"from,omitempty"` // of a text: who said it
	Text    string    `json:"text,omitempty"`
	Privacy *bool     `json:"privacy,omitempty"`
}
