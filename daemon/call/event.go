package call

import "time"

// Event is an input of the state machine: one of the types below.
type Event interface{ event() }

// The commands of a user.
type (
	// Dial calls a peer. If that peer rings here, it answers. Calls of others
	// that ring here do not count for Config.Max. Errors:
	// ErrUnknownPeer, ErrAlready (in a call with this peer), ErrBusy
	// (Config.Max).
	Dial struct {
		Peer        string
		ID          ID            // random, not zero
		RingTimeout time.Duration // at most MaxRing; 0: Config.RingTimeout
	}
	// Answer answers the call that rings here; an empty peer selects the only
	// one. Errors: ErrNoCall, ErrAmbiguous, ErrAlready (answered), ErrBusy
	// (Config.Max), ErrUnknownPeer.
	Answer struct{ Peer string }
	// Reject declines the call that rings here. Errors as for Answer, but
	// never ErrBusy.
	Reject struct{ Peer string }
	// Hangup ends a call in any state; an empty peer selects the only call that
	// does not ring here, or else the only one.
	// Errors: ErrNoCall, ErrAmbiguous, ErrUnknownPeer.
	Hangup struct{ Peer string }
)

// The events of the link to a peer. LinkUp comes before all messages of that
// link. A link that replaces another one is reported by LinkUp without
// LinkDown. After LinkDown there is no link.
type (
	// LinkUp reports a new link.
	LinkUp struct{ Peer string }
	// LinkDown reports that the link ended or could not be made.
	LinkDown struct {
		Peer string
		Err  error // the cause, or the error of the latest attempt to connect; may be nil
	}
	// Refused reports that a user must intervene: the key at the peer's address
	// is not the expected one, or the peer refuses ours. It comes after every
	// attempt, because later calls need it too.
	Refused struct {
		Peer          string
		WrongIdentity bool
		Text          string // in words
	}
)

// The messages of the peer. Delayed messages of a lost link are ignored: the
// next link begins with the state.
type (
	// GotInvite is the message Invite.
	GotInvite struct {
		Peer string
		ID   ID
	}
	// GotRinging is the message Ringing.
	GotRinging struct {
		Peer string
		ID   ID
	}
	// GotAccept is the message Accept.
	GotAccept struct {
		Peer string
		ID   ID
	}
	// GotResume is the message Resume.
	GotResume struct {
		Peer string
		ID   ID
	}
	// GotEnd is the message End.
	GotEnd struct {
		Peer   string
		ID     ID
		Reason Reason
		Text   string
	}
)

// Tick reports that time has passed; see Calls.Deadline.
type Tick struct{}

// Configure applies a new configuration. It ends the calls with peers that are
// no longer known, and no others, even if there are more than Config.Max.
type Configure struct{ Config Config }

func (Dial) event()       {}
func (Answer) event()     {}
func (Reject) event()     {}
func (Hangup) event()     {}
func (LinkUp) event()     {}
func (LinkDown) event()   {}
func (Refused) event()    {}
func (GotInvite) event()  {}
func (GotRinging) event() {}
func (GotAccept) event()  {}
func (GotResume) event()  {}
func (GotEnd) event()     {}
func (Tick) event()       {}
func (Configure) event()  {}

// Action is an output of the state machine: one of the types below.
type Action interface{ action() }

// Kind is the message of the wire protocol to send.
type Kind string

// The messages to send.
const (
	SendInvite  Kind = "invite"
	SendRinging Kind = "ringing"
	SendAccept  Kind = "accept"
	SendResume  Kind = "resume"
	SendEnd     Kind = "end"
)

type (
	// Send sends a message over the link to the peer. Without a link the
	// message is dropped.
	Send struct {
		Peer   string
		Kind   Kind
		ID     ID
		Reason Reason // for SendEnd: a value of the wire protocol
		Text   string // for SendEnd: at most 512 bytes, may be empty
	}
	// Changed reports a call with a new state or ID. An incoming call that was
	// refused at once (busy, do not disturb) is reported as Ended.
	Changed struct{ Call Call }
	// Paused reports that a peer has called too often and is refused for a
	// while. It comes once in each pause.
	Paused struct {
		Peer string
		For  time.Duration
	}
	// Save reports that the result of Calls.Saved has changed. It comes at most
	// once per step, as the last action.
	Save struct{}
)

func (Send) action()    {}
func (Changed) action() {}
func (Paused) action()  {}
func (Save) action()    {}
