// Package call decides what becomes of a call: (state, event, now) → (state, actions).
//
//	      Dial                              the peer's invite
//	        │                                     │
//	        ▼        it rings there               ▼
//	     Calling ─────────────────▶ Ringing    Incoming
//	        │    ◀─────────────────    │          │
//	        │        link lost         │          │
//	        │                          │          │ Answer, auto-answer,
//	        │ accept, or glare         │          │ Dial to who rings here
//	        └───────────▶ Active ◀─────┴──────────┘
//	                      │    ▲
//	            link lost │    │ the peer says that it is in the call too
//	                      ▼    │
//	                     Resuming ◀── Restore, after a restart
//
//	every state ──▶ Ended: hung up or declined on either side, a time that ran out, a peer that cannot be reached
//
// It promises that two devices which can talk to each other come to agree: both are in the call, under the same id, or
// neither is. Four rules carry that, whatever was lost with a link:
//
//   - Each new link begins with what its two ends hold: the calls ended here that the peer may not have heard of (End),
//     then the call there is (Invite and Ringing while it is unanswered, Resume once it was answered).
//   - Who is told of a call that it does not have answers End, with the true reason where it is still known. An End is
//     never answered, and one for a call that its sender has no part in is ignored.
//   - Two devices that both want a call with each other have one (glare). There is at most one call per peer, so every
//     id that either side uses for it means that call, and the bytewise smallest one names it. An End for any of them
//     ends it. This holds as well for an id first heard in a Resume, if the invites crossed a change of the link, and
//     for the Invite of a peer that has lost the call in a restart: nothing tells these apart on the other side.
//   - A message is never needed twice and never harms twice.
//
// A call that rings here becomes active by this side's doing alone: no message from the peer answers it.
//
// The package starts no goroutine, reads no clock and does no I/O. What it remembers is bounded by the calls that the
// configuration allows and by the number of known peers, whatever a peer sends.
package call

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// ID names a call. Who dials draws it at random.
type ID [16]byte

// String gives 32 hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Compare orders ids bytewise.
func (id ID) Compare(other ID) int { return bytes.Compare(id[:], other[:]) }

// MarshalText gives the form of String, so that JSON does.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads the form of String.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(id)) {
		return fmt.Errorf("call id of %d characters, expected %d", len(text), hex.EncodedLen(len(id)))
	}
	if _, err := hex.Decode(id[:], text); err != nil {
		return fmt.Errorf("call id: %w", err)
	}
	return nil
}

// State is where a call is, in the words of the status.
type State string

const (
	Calling  State = "calling"  // outgoing: the peer has not been reached, or has said nothing yet
	Ringing  State = "ringing"  // outgoing: it rings there
	Incoming State = "incoming" // it rings here
	Active   State = "active"   // both sides are in the call, and there is a link
	Resuming State = "resuming" // in the call, but the peer has not said so since the link was lost
	Ended    State = "ended"    // seen in Changed only, never in List
)

// Direction says which side dialled first. After glare it is Out on both sides.
type Direction string

const (
	Out Direction = "out"
	In  Direction = "in"
)

// Side is one of the two ends of a call.
type Side string

const (
	Local  Side = "local"
	Remote Side = "remote"
)

// Reason says why a call ended.
type Reason uint8

// The values of the wire protocol. Values below 128 that have no name here are kept as they are.
const (
	HungUp       Reason = 1
	Declined     Reason = 2
	Busy         Reason = 3
	NoAnswer     Reason = 4
	DoNotDisturb Reason = 5
	Cancelled    Reason = 6 // by who dialled, before it was answered
	UnknownCall  Reason = 7 // the other side has no such call: most likely it was restarted
	LostTooLong  Reason = 8 // the link did not come back within Config.ResumeFor
	Failed       Reason = 9
)

// Reasons from 128 on are this device's own and never travel.
const (
	Unreachable   Reason = 128 // no link within Config.ReachTimeout
	WrongIdentity Reason = 129 // who answers at the peer's address is somebody else
)

var reasons = map[Reason]struct{ key, words string }{
	HungUp:        {"hung_up", "hung up"},
	Declined:      {"declined", "declined"},
	Busy:          {"busy", "busy"},
	NoAnswer:      {"no_answer", "no answer"},
	DoNotDisturb:  {"do_not_disturb", "do not disturb"},
	Cancelled:     {"cancelled", "cancelled"},
	UnknownCall:   {"unknown_call", "the other side no longer knows the call"},
	LostTooLong:   {"lost_too_long", "the link was lost for too long"},
	Failed:        {"failed", "failed"},
	Unreachable:   {"unreachable", "unreachable"},
	WrongIdentity: {"wrong_identity", "the peer's identity is not the known one"},
}

// String says the reason in words.
func (r Reason) String() string {
	if known, ok := reasons[r]; ok {
		return known.words
	}
	return fmt.Sprintf("ended (reason %d)", uint8(r))
}

// Key is a stable name for programs: snake_case, or "reason_N" for a value that has no name here.
func (r Reason) Key() string {
	if known, ok := reasons[r]; ok {
		return known.key
	}
	return fmt.Sprintf("reason_%d", uint8(r))
}

// local says that the reason has no value in the wire protocol.
func (r Reason) local() bool { return r == 0 || r >= 128 }

// Call is what one call was like at one moment. A call is known by its peer; its ID may become a smaller one when both
// sides dialled.
type Call struct {
	ID        ID
	Peer      string
	Direction Direction
	State     State
	Since     time.Time // when it came into this state
	Started   time.Time // when it was dialled, or first rang here
	Answered  time.Time // zero while it is not
	Until     time.Time // when it leaves this state if nothing happens; zero: never, or not known
	Restarts  uint32    // of this device that it has outlived

	// Of an ended call:
	Reason  Reason
	EndedBy Side   // whose doing the end was; a time that ran out is Local, a caller that fell silent is Remote
	Text    string // more in words, may be empty; at most 512 bytes
}

// What a user's command may be answered with; test with errors.Is.
var (
	ErrNoCall      = errors.New("no such call")
	ErrUnknownPeer = errors.New("unknown peer")
	ErrAlready     = errors.New("there is a call already")
	ErrBusy        = errors.New("no further call is allowed")
	ErrAmbiguous   = errors.New("more than one call: name the peer")
)
