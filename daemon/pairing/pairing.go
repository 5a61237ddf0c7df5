// Package pairing makes two devices know each other's keys: their users compare
// a short code. PROTOCOL.md, section 13, defines the protocol.
//
// Guarantees:
//   - A code is bound to the keys of both devices and to their connection. A
//     device in the middle gets both sides to show the same code with a chance
//     of 1 in 1,000,000, and each side lets it try once.
//   - Nothing is kept before both users have confirmed the code.
//   - However a pairing fails, both sides have kept nothing, except the
//     responder if only the very last message is lost.
//   - Whatever arrives, a message takes at most 257 bytes, and a session ends
//     within the time limits.
//
// Session is the state machine. It is pure: it has no clock, no connection and
// no randomness but the nonce it is given. Seen from the initiator and from the
// responder:
//
//	requesting ──Commitment──▶ opening ──Nonce──▶ comparing
//	   sends Request            sends Nonce          │
//	                                                 ├─ user ──▶ confirmed ─┐
//	                                                 │        sends Confirm │
//	                                                 ▼                      ▼
//	                                              (Confirm) ──both──▶ keeping
//	                                                                   Keep
//	           paired ◀──Done── finishing ◀──kept───────────────────────┘
//	                            sends Done; Undo if it fails
//
//	waiting ──Request──▶ admitting ──Allow──▶ committed ──Nonce──▶ revealing
//	                      Admit        sends Commitment             Reveal
//	                                                                  │ Allow
//	                         confirmed ◀──user── comparing ◀──────────┘
//	                            │ sends Confirm              sends Nonce
//	                            └──both──▶ promised ──Done──▶ keeping ──▶ paired
//	                                                           Keep    sends Done
//
//	every state ──▶ failed: Refuse, Reject, lost, expired, or a message that is
//	                not expected. While keeping, it fails once Kept says so.
//
// Run runs a Session on a connection. It starts one goroutine, which reads, and
// waits for it.
package pairing

import (
	"errors"
	"fmt"
	"time"

	"vchat/daemon/identity"
)

// The time limits of PROTOCOL.md, section 13.
const (
	ExchangeTimeout = 5 * time.Second   // from the handshake to the code
	CompareTimeout  = 120 * time.Second // for both users to confirm
	DoneTimeout     = 10 * time.Second  // for Done, which waits for the other device's disk
)

// ErrLost means that the connection ended before the pairing did.
var ErrLost = errors.New("connection lost")

// EndError is why a pairing has failed, if not because the connection was lost.
// ByPeer reports whether the other device has ended it.
type EndError struct {
	Reason Reason
	ByPeer bool
	Err    error // details; may be nil
}

func (e *EndError) Error() string {
	if e.ByPeer {
		return fmt.Sprintf("refused by the other device: %v", e.Reason)
	}
	if e.Err != nil {
		return e.Err.Error()
	}
	switch e.Reason {
	case Refused, Cancelled:
		return "refused by this device"
	}
	return e.Reason.String()
}

// Unwrap returns the details.
func (e *EndError) Unwrap() error { return e.Err }

// Event is an input of a Session: a Message of the other device, or one of the
// events below.
type Event interface{ event() }

// Allow answers Admit and Reveal: the responder continues.
type Allow struct{}

// Agree reports that the user of this device has confirmed the code.
type Agree struct{}

// Reject ends the pairing for a reason of this device. It has no effect once
// the key is being kept.
type Reject struct{ Reason Reason }

// Kept is the result of Keep.
type Kept struct{ Err error }

// Lost reports that the connection has ended, or has delivered something that
// is no message. Then Err wraps ErrProtocol.
type Lost struct{ Err error }

// Expired reports that the time of the last SetTimeout has passed.
type Expired struct{}

func (Request) event()    {}
func (Commitment) event() {}
func (Nonce) event()      {}
func (Confirm) event()    {}
func (Done) event()       {}
func (Refuse) event()     {}
func (Allow) event()      {}
func (Agree) event()      {}
func (Reject) event()     {}
func (Kept) event()       {}
func (Lost) event()       {}
func (Expired) event()    {}

// Action is an output of a Session.
type Action interface{ action() }

// Send sends a message.
type Send struct{ Message Message }

// Admit asks whether this device waits for a pairing. The answer is Allow or
// Reject.
type Admit struct{ Name string } // of the other device, unauthenticated

// Reveal asks whether this is the only connection that gets the nonce of this
// device. The answer is Allow or Reject.
type Reveal struct{}

// Compare shows the code to the user. The answer is Agree or Reject.
type Compare struct {
	Code Code
	Name string // of the other device, unauthenticated
}

// Keep keeps the key of the other device. The answer is Kept.
type Keep struct{}

// Undo makes Keep undone.
type Undo struct{}

// SetTimeout replaces the time limit.
type SetTimeout struct{ Timeout time.Duration }

// End is the last action. Err is nil if the devices are paired.
type End struct{ Err error }

func (Send) action()       {}
func (Admit) action()      {}
func (Reveal) action()     {}
func (Compare) action()    {}
func (Keep) action()       {}
func (Undo) action()       {}
func (SetTimeout) action() {}
func (End) action()        {}

// Config configures a Session.
type Config struct {
	Initiator bool
	Own, Peer identity.ID
	Name      string // of this device; a valid name of at most MaxName bytes
	Exporter  Hash   // of the connection
	Nonce     Hash   // random, new for each Session
}

// Session is one pairing of this device. It is not safe for concurrent use.
type Session struct {
	cfg     Config
	binding binding
	state   state

	peerName      string
	commitment    Hash // of the responder, as the initiator has received it
	code          Code
	peerConfirmed bool
	nonceSent     bool
	broken        []Action // what to do after Kept; nil: the connection is fine
}

type state string

const (
	requesting state = "requesting"
	opening    state = "opening"
	waiting    state = "waiting"
	admitting  state = "admitting"
	committed  state = "committed"
	revealing  state = "revealing"
	comparing  state = "comparing"
	confirmed  state = "confirmed"
	promised   state = "promised"
	keeping    state = "keeping"
	finishing  state = "finishing"
	paired     state = "paired"
	failed     state = "failed"
)

// New returns a Session. Its first actions are those of Start.
func New(cfg Config) *Session {
	s := &Session{cfg: cfg, state: waiting, binding: binding{cfg.Exporter, cfg.Peer, cfg.Own}}
	if cfg.Initiator {
		s.state, s.binding.initiator, s.binding.responder = requesting, cfg.Own, cfg.Peer
	}
	return s
}

// Start returns the first actions.
func (s *Session) Start() []Action {
	limit := SetTimeout{ExchangeTimeout}
	switch {
	case s.cfg.Own == s.cfg.Peer:
		return append([]Action{limit}, s.fail(SelfPairing, nil)...)
	case s.cfg.Initiator:
		return []Action{limit, Send{Request{s.cfg.Name}}}
	}
	return []Action{limit}
}

// NonceSent reports whether this device has sent its nonce. It must not start
// another session for the same pairing then.
func (s *Session) NonceSent() bool { return s.nonceSent }

// Step changes the state by an event and returns what to do, in this order.
func (s *Session) Step(ev Event) []Action {
	switch ev := ev.(type) {
	case Refuse:
		return s.end(&EndError{Reason: ev.Reason, ByPeer: true})
	case Lost:
		if errors.Is(ev.Err, ErrProtocol) {
			return s.fail(Fault, ev.Err)
		}
		return s.end(fmt.Errorf("%w: %w", ErrLost, ev.Err))
	case Expired:
		return s.fail(TimedOut, nil)
	case Reject:
		if s.state == keeping || s.state == finishing {
			return nil
		}
		return s.fail(ev.Reason, nil)
	}
	if actions, ok := s.next(ev); ok {
		return actions
	}
	if m, ok := ev.(Message); ok {
		return s.fail(Fault, fmt.Errorf("%w: unexpected %T", ErrProtocol, m))
	}
	return nil // a late answer of the user
}

// next handles an event that leads towards paired. It returns false if the
// event does not belong to the state.
func (s *Session) next(ev Event) (actions []Action, ok bool) {
	switch ev := ev.(type) {
	case Request:
		return s.move(waiting, admitting, func() []Action {
			s.peerName = ev.Name
			return []Action{Admit(ev)}
		})
	case Commitment:
		return s.move(requesting, opening, func() []Action {
			s.peerName, s.commitment, s.nonceSent = ev.Name, ev.Commitment, true
			return []Action{Send{Nonce{s.cfg.Nonce}}}
		})
	case Nonce:
		if s.cfg.Initiator {
			return s.move(opening, comparing, func() []Action { return s.open(ev.Nonce) })
		}
		return s.move(committed, revealing, func() []Action {
			s.code = s.binding.code(ev.Nonce, s.cfg.Nonce)
			return []Action{Reveal{}}
		})
	case Allow:
		if s.state == admitting {
			return s.move(admitting, committed, func() []Action {
				return []Action{Send{Commitment{s.binding.commitment(s.cfg.Nonce), s.cfg.Name}}}
			})
		}
		return s.move(revealing, comparing, func() []Action {
			s.nonceSent = true
			return append([]Action{Send{Nonce{s.cfg.Nonce}}}, s.compare()...)
		})
	case Agree:
		return s.move(comparing, confirmed, func() []Action {
			return append([]Action{Send{Confirm{}}}, s.confirmedByBoth()...)
		})
	case Confirm:
		if s.peerConfirmed || s.state != comparing && s.state != confirmed {
			return nil, false
		}
		s.peerConfirmed = true
		return s.confirmedByBoth(), true
	case Done:
		if s.cfg.Initiator {
			return s.move(finishing, paired, func() []Action { return []Action{End{}} })
		}
		return s.move(promised, keeping, func() []Action { return []Action{Keep{}} })
	case Kept:
		return s.move(keeping, keeping, func() []Action { return s.kept(ev.Err) })
	}
	return nil, false
}

// move changes the state, if it is the expected one, and then calls do.
func (s *Session) move(from, to state, do func() []Action) ([]Action, bool) {
	if s.state != from {
		return nil, false
	}
	s.state = to
	return do(), true
}

// open compares the responder's nonce with its commitment.
func (s *Session) open(nonce Hash) []Action {
	if !s.binding.opens(s.commitment, nonce) {
		return s.fail(Mismatch, nil)
	}
	s.code = s.binding.code(s.cfg.Nonce, nonce)
	return s.compare()
}

func (s *Session) compare() []Action {
	return []Action{SetTimeout{CompareTimeout}, Compare{s.code, s.peerName}}
}

// confirmedByBoth continues if both users have confirmed.
func (s *Session) confirmedByBoth() []Action {
	if !s.peerConfirmed || s.state != confirmed {
		return nil
	}
	if s.cfg.Initiator {
		s.state = keeping
		return []Action{Keep{}}
	}
	s.state = promised
	return []Action{SetTimeout{DoneTimeout}}
}

// kept reports the key as kept to the other device, unless the pairing has
// failed in the meantime.
func (s *Session) kept(err error) []Action {
	switch {
	case err != nil && s.broken != nil:
		s.state = failed
		return s.broken
	case err != nil:
		s.state = failed
		return []Action{Send{Refuse{NotKept}}, End{&EndError{Reason: NotKept, Err: err}}}
	case s.broken != nil:
		s.state = failed
		return append([]Action{Undo{}}, s.broken...)
	case s.cfg.Initiator:
		s.state = finishing
		return []Action{Send{Done{}}, SetTimeout{DoneTimeout}}
	}
	s.state = paired
	return []Action{Send{Done{}}, End{}}
}

// fail ends the pairing for a reason of this device. err has details or is nil.
func (s *Session) fail(r Reason, err error) []Action {
	return s.end(&EndError{Reason: r, Err: err}, Send{Refuse{r}})
}

// end ends the pairing after the last action. What was kept, or is being kept,
// is undone. A responder that could not send Done is paired already, so that
// state is no exception.
func (s *Session) end(err error, last ...Action) []Action {
	last = append(last, End{err})
	switch s.state {
	case failed:
		return nil
	case keeping:
		if s.broken == nil {
			s.broken = last
		}
		return nil
	case finishing:
		last = append([]Action{Undo{}}, last...)
	case paired:
		if s.cfg.Initiator {
			return nil
		}
		last = append([]Action{Undo{}}, last...)
	}
	s.state = failed
	return last
}
