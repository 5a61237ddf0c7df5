package call

import "time"

// Event is something that happened: one of the types below.
type Event interface{ event() }

// What a user commands.
type (
	// Dial calls a peer; if that peer rings here, it answers. It fails with ErrUnknownPeer, ErrAlready (there is a
	// call with this peer) or ErrBusy (there are as many calls as are allowed).
	Dial struct {
		Peer        string
		ID          ID            // random, not zero
		RingTimeout time.Duration // at most MaxRing; 0: as configured
	}
	// Answer takes the call that rings here. An empty peer means the only one that does. It fails with ErrNoCall,
	// ErrAmbiguous, ErrAlready (it is answered) or ErrUnknownPeer.
	Answer struct{ Peer string }
	// Reject declines the call that rings here. It fails like Answer.
	Reject struct{ Peer string }
	// Hangup ends a call in whatever state. An empty peer means the only call. It fails with ErrNoCall, ErrAmbiguous
	// or ErrUnknownPeer.
	Hangup struct{ Peer string }
)

// What the link to a peer reports. LinkUp comes before anything that was received over that link. A link that takes the
// place of another is a LinkUp without a LinkDown; LinkDown says that there is none at all.
type (
	LinkUp   struct{ Peer string }
	LinkDown struct {
		Peer string
		Err  error // why, or why the latest attempt to get one failed; may be nil
	}
	// Refused says that trying on is pointless until a person does something: the key at the peer's address is not
	// the known one, or the peer refuses ours. It is told at every attempt, since calls made later need it too.
	Refused struct {
		Peer          string
		WrongIdentity bool
		Text          string // in words
	}
)

// What the peer sent. Without a link to that peer (a late message of a lost one) these are ignored: whatever mattered is
// said again on the next link.
type (
	GotInvite struct {
		Peer string
		ID   ID
	}
	GotRinging struct {
		Peer string
		ID   ID
	}
	GotAccept struct {
		Peer string
		ID   ID
	}
	GotResume struct {
		Peer string
		ID   ID
	}
	GotEnd struct {
		Peer   string
		ID     ID
		Reason Reason
		Text   string
	}
)

// Tick says only that time has passed; see Calls.Deadline.
type Tick struct{}

// Configure puts another configuration into force. A call to a peer that is no longer known ends; no other call does,
// even if there are now more than Config.Max.
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

// Action is something to do, in the order given: one of the types below.
type Action interface{ action() }

// Kind says which message of the wire protocol to send.
type Kind string

const (
	SendInvite  Kind = "invite"
	SendRinging Kind = "ringing"
	SendAccept  Kind = "accept"
	SendResume  Kind = "resume"
	SendEnd     Kind = "end"
)

type (
	// Send sends a message over the peer's link. If that link is gone by now, the message is dropped.
	Send struct {
		Peer   string
		Kind   Kind
		ID     ID
		Reason Reason // of SendEnd: a value of the wire protocol
		Text   string // of SendEnd: at most 512 bytes, may be empty
	}
	// Changed tells of a call that came into another state, or has another ID. An incoming call that was turned away
	// at once (busy, do not disturb) is told as one that Ended.
	Changed struct{ Call Call }
	// Save says that Calls.Saved gives something else than before. It comes at most once per step, and last.
	Save struct{}
)

func (Send) action()    {}
func (Changed) action() {}
func (Save) action()    {}
