package pairing

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"vchat/daemon/identity"
)

var errTest = errors.New("test")

// explored is a session with what it has been through.
type explored struct {
	s                     Session
	agreed, peerConfirmed bool
	kept, asked           bool // the key is kept; Keep has not been answered
	sent, ended           bool // the last message; End
	succeeded             bool
}

// key identifies the state for the search.
func (e explored) key() string {
	return fmt.Sprint(e.s.state, e.s.peerConfirmed, e.s.nonceSent, e.s.broken != nil, e.agreed, e.peerConfirmed,
		e.kept, e.asked, e.ended)
}

// TestSession_everySequence tries every event in every reachable state, for
// both roles.
func TestSession_everySequence(t *testing.T) {
	own, peer := identity.ID{1}, identity.ID{2}
	for _, initiator := range []bool{true, false} {
		t.Run(fmt.Sprintf("initiator=%v", initiator), func(t *testing.T) {
			b := binding{initiator: own, responder: peer}
			events := []Event{
				Request{"x"}, Commitment{b.commitment(Hash{7}), "y"}, Commitment{}, Nonce{Hash{7}}, Nonce{Hash{8}},
				Confirm{}, Done{}, Refuse{Refused}, Allow{}, Agree{}, Reject{Refused}, Reject{Busy},
				Kept{}, Kept{errTest}, Lost{errTest}, Lost{ErrLength}, Expired{},
			}
			first := explored{s: *New(Config{Initiator: initiator, Own: own, Peer: peer, Nonce: Hash{9}})}
			first.apply(t, first.s.Start())
			seen, todo := map[string]bool{}, []explored{first}
			success := false
			for len(todo) > 0 {
				e := todo[0]
				todo = todo[1:]
				for _, ev := range events {
					if _, ok := ev.(Kept); ok != e.asked && ok {
						continue // only an answer
					}
					next := e
					_, agrees := ev.(Agree)
					_, confirms := ev.(Confirm)
					next.agreed = next.agreed || agrees && e.s.state == comparing
					next.peerConfirmed = next.peerConfirmed || confirms
					if k, ok := ev.(Kept); ok {
						next.asked, next.kept = false, k.Err == nil
					}
					next.apply(t, next.s.Step(ev))
					success = success || next.succeeded
					if k := next.key(); !next.ended && !seen[k] {
						seen[k] = true
						todo = append(todo, next)
					}
				}
			}
			if !success || len(seen) < 8 {
				t.Errorf("got success %v and %d states, want success and at least 8", success, len(seen))
			}
		})
	}
}

// apply checks actions.
func (e *explored) apply(t *testing.T, actions []Action) {
	t.Helper()
	for _, a := range actions {
		if e.ended {
			t.Fatalf("%s: %T after the end", e.key(), a)
		}
		switch a := a.(type) {
		case Send:
			if e.sent {
				t.Fatalf("%s: %T after Refuse", e.key(), a.Message)
			}
			switch a.Message.(type) {
			case Refuse:
				e.sent = true
			case Confirm:
				if !e.agreed {
					t.Fatalf("%s: Confirm without the user", e.key())
				}
			case Done:
				if !e.kept {
					t.Fatalf("%s: Done without a key", e.key())
				}
			}
		case Keep:
			if !e.agreed || !e.peerConfirmed || e.kept || e.asked {
				t.Fatalf("%s: Keep without both users, or twice", e.key())
			}
			e.asked = true
		case Undo:
			if !e.kept {
				t.Fatalf("%s: Undo of nothing", e.key())
			}
			e.kept = false
		case End:
			e.ended, e.succeeded = true, a.Err == nil
			if e.kept != e.succeeded || e.asked {
				t.Fatalf("%s: kept=%v at the end %v", e.key(), e.kept, a.Err)
			}
		}
	}
}

// The responder learns that Done was not sent only after it is paired.
func TestSession_doneNotSent(t *testing.T) {
	s := New(Config{Own: identity.ID{1}, Peer: identity.ID{2}})
	s.Start()
	for _, ev := range []Event{Request{}, Allow{}, Nonce{}, Allow{}, Agree{}, Confirm{}, Done{}, Kept{}} {
		s.Step(ev)
	}
	actions := s.Step(Lost{errTest})
	if len(actions) != 2 || actions[0] != (Undo{}) || !errors.Is(actions[1].(End).Err, ErrLost) {
		t.Errorf("got %v, want Undo and the end", actions)
	}
}

func TestSession_self(t *testing.T) {
	for _, initiator := range []bool{true, false} {
		s := New(Config{Initiator: initiator, Own: identity.ID{1}, Peer: identity.ID{1}})
		if !slices.Contains(s.Start(), Action(Send{Refuse{SelfPairing}})) {
			t.Errorf("initiator=%v: got no Refuse with SelfPairing", initiator)
		}
	}
}
