// Package call is the state machine of calls: (state, event, now) → (state,
// actions).
//
//	      Dial                              the peer's invite
//	        │                                     │
//	        ▼        it rings there               ▼
//	     Calling ─────────────────▶ Ringing    Incoming
//	        │    ◀─────────────────    │          │
//	        │        link lost         │          │
//	        │                          │          │ Answer, auto-answer,
//	        │ accept, or glare         │          │ Dial to that peer
//	        └───────────▶ Active ◀─────┴──────────┘
//	                      │    ▲
//	            link lost │    │ the peer is in the call too
//	                      ▼    │
//	                     Resuming ◀── Restore, after a restart
//
//	every state ──▶ Ended: hung up, declined, timed out, unreachable
//
// Guarantees:
//   - Two devices with a link reach agreement: both are in the call, under the
//     same id, or neither is.
//   - A call that rings here becomes active only by a local command or
//     auto-answer. No message of the peer answers it.
//   - A call that rings here takes no line: it hinders neither a Dial nor the
//     ring of another peer. No message of a peer ends a call with another one.
//   - A peer that is not answered must wait longer and longer before it rings
//     again: see pause.go.
//   - Memory is bounded by the allowed calls and the number of known peers,
//     whatever a peer sends.
//
// Four rules lead to agreement, whatever was lost with a link:
//
//   - On a new link each side first sends its state: End for the calls ended
//     here that the peer may have missed, then Invite or Ringing for an
//     unanswered call, or Resume for an answered one.
//   - A message for an unknown call is answered with End, with the reason if it
//     is still known. An End is never answered. An End from a peer that is not
//     in the call is ignored.
//   - Two devices that call each other get one call (glare). There is at most
//     one call per peer, so every id that either side uses identifies it. The
//     bytewise smallest id names it. An End for any of them ends it. The same
//     applies to an id first received in Resume, if the invites crossed a
//     change of the link, and to the Invite of a peer that lost the call in a
//     restart: the receiver cannot distinguish these cases.
//   - All messages are idempotent.
//
// The package starts no goroutine, reads no clock and does no I/O.
package call

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// ID identifies a call. The caller chooses it at random.
type ID [16]byte

// String returns 32 hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Compare compares ids bytewise.
func (id ID) Compare(other ID) int { return bytes.Compare(id[:], other[:]) }

// MarshalText returns the form of String.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText parses the form of String.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(id)) {
		return fmt.Errorf("call id of %d characters, want %d", len(text), hex.EncodedLen(len(id)))
	}
	if _, err := hex.Decode(id[:], text); err != nil {
		return fmt.Errorf("call id: %w", err)
	}
	return nil
}

// State is the state of a call. The values are those of the control API.
type State string

// The states of a call.
const (
	Calling  State = "calling"  // outgoing: the peer is not reached, or has not answered yet
	Ringing  State = "ringing"  // outgoing: ringing at the peer
	Incoming State = "incoming" // ringing here
	Active   State = "active"   // both sides are in the call, with a link
	Resuming State = "resuming" // in the call, but not confirmed by the peer since the link was lost
	Ended    State = "ended"    // in Changed only, never in List
)

// Direction is who dialled first. After glare it is Out on both sides.
type Direction string

// The directions of a call.
const (
	Out Direction = "out"
	In  Direction = "in"
)

// Side is one of the two ends of a call.
type Side string

// The sides of a call.
const (
	Local  Side = "local"
	Remote Side = "remote"
)

// Reason is why a call ended.
type Reason uint8

// The values of the wire protocol. Unknown values below 128 are kept.
const (
	HungUp       Reason = 1
	Declined     Reason = 2
	Busy         Reason = 3
	NoAnswer     Reason = 4
	DoNotDisturb Reason = 5
	Cancelled    Reason = 6 // by the caller, before an answer
	UnknownCall  Reason = 7 // the peer has no such call, probably after a restart
	LostTooLong  Reason = 8 // the link did not come back within Config.ResumeFor
	Failed       Reason = 9
)

// Reasons of 128 and above are local. They are never sent.
const (
	Unreachable   Reason = 128 // no link within Config.ReachTimeout
	WrongIdentity Reason = 129 // the key at the peer's address is not the peer's
)

var reasonKeys = map[Reason]string{
	HungUp:        "hung_up",
	Declined:      "declined",
	Busy:          "busy",
	NoAnswer:      "no_answer",
	DoNotDisturb:  "do_not_disturb",
	Cancelled:     "cancelled",
	UnknownCall:   "unknown_call",
	LostTooLong:   "lost_too_long",
	Failed:        "failed",
	Unreachable:   "unreachable",
	WrongIdentity: "wrong_identity",
}

// Key returns the reason for programs, in snake_case: the value of the control
// API, or "reason_N" for an unknown reason N. Call.EndText has it in words.
func (r Reason) Key() string {
	if key, ok := reasonKeys[r]; ok {
		return key
	}
	return fmt.Sprintf("reason_%d", uint8(r))
}

// isLocal reports whether the reason has no value in the wire protocol.
func (r Reason) isLocal() bool { return r == 0 || r >= 128 }

// Call is a snapshot of a call. Peer identifies the call: the ID may change to
// a smaller one if both sides dialled.
type Call struct {
	ID        ID
	Peer      string
	Direction Direction
	State     State
	Since     time.Time // start of the state
	Started   time.Time // when it was dialled, or began to ring here
	Answered  time.Time // zero until then
	Until     time.Time // when the state times out; zero: never
	Restarts  uint32    // restarts of this device since the call began

	// Of an ended call:
	Reason  Reason
	EndedBy Side   // Local for a timeout, Remote for a caller that no longer sends Invite
	Text    string // details in words, at most 512 bytes; may be empty
}

// Errors of commands, for errors.Is.
var (
	ErrNoCall      = errors.New("no such call")
	ErrUnknownPeer = errors.New("unknown peer")
	ErrAlready     = errors.New("already in a call")
	ErrBusy        = errors.New("call limit reached")
	ErrAmbiguous   = errors.New("more than one call; name the peer")
)
