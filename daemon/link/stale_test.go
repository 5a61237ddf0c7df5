package link_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"vchat/daemon/link"
	"vchat/daemon/wire"
)

// call makes the link between two devices one that a call is on.
func startCall(a, b *device) {
	a.links.SetInCall(b.name, true)
	b.links.SetInCall(a.name, true)
}

// The pauses of TCP after a loss grow to seconds: what is frozen here would go on some time, but nobody waits for it.
func TestASilentLinkIsReplacedByOneThatCarries(t *testing.T) {
	for _, bothDial := range []bool{true, false} {
		for range 10 {
			bubble(t, func(t *testing.T, tn *testNet) {
				alice, bob := tn.pair(bothDial)
				startCall(alice, bob)
				advance(time.Second)
				upBefore := [2]int{alice.ups(), bob.ups()}
				tn.net.Freeze()
				advance(550 * time.Millisecond)
				for i, d := range []*device{alice, bob} {
					other := []string{"bob", "alice"}[i]
					if d.ups() != upBefore[i]+1 || d.links.Link(other) != d.up[len(d.up)-1] {
						t.Fatalf("%s, half a second after the link fell silent: up %d times, want %d", d.name, d.ups(), upBefore[i]+1)
					}
				}
				advance(10 * time.Second)
				for i, d := range []*device{alice, bob} {
					if d.ups() != upBefore[i]+1 || len(d.down) != 1 {
						t.Errorf("%s: up %d times, down %v: want no more than one change", d.name, d.ups(), d.down)
					}
				}
				alice.links.Link("bob").Send(&wire.Text{ID: 1, Text: "there?"})
				advance(time.Second)
				if len(bob.messages) != 1 {
					t.Errorf("the new link carries nothing: %v", bob.messages)
				}
			})
		}
	}
}

func TestTheOldLinkEndsAfterTheNewOneIsTold(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice := &order{device: tn.device("alice")}
		alice.handler = alice
		alice.once.Do(func() {}) // it does not take its time: a bubble's clock stands still while somebody waits for a mutex
		bob := tn.device("bob")
		tn.start(alice.device, true, bob)
		tn.start(bob, true, alice.device)
		advance(3 * time.Second)
		startCall(alice.device, bob)
		alice.locked(func() { alice.heard = nil })
		tn.net.Freeze()
		advance(2 * time.Second)
		if want := []string{"up", "down"}; !slices.Equal(alice.heard, want) {
			t.Errorf("heard %v, want %v", alice.heard, want)
		}
	})
}

func TestALinkThatCarriesAgainFirstStays(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.pair(true)
		startCall(alice, bob)
		advance(time.Second)
		ups := alice.ups() + bob.ups()
		for _, silence := range []time.Duration{300, 600, 1000, 2000} {
			tn.net.Stall(true)
			advance(silence * time.Millisecond)
			tn.net.Stall(false)
			advance(5 * time.Second)
			if n := alice.ups() + bob.ups(); n != ups || len(alice.down)+len(bob.down) != 0 {
				t.Fatalf("after %d ms of silence: links came up %d times, want %d; down %v and %v", silence, n, ups, alice.down, bob.down)
			}
		}
		dials := tn.net.Dials()
		advance(10 * time.Second)
		if n := tn.net.Dials(); n != dials {
			t.Errorf("%d dials beside a link that carries", n-dials)
		}
	})
}

// A queue of a second in the network is silence once, when it fills, and a slow answer after that.
func TestASlowNetworkDoesNotMakeLinksFlap(t *testing.T) {
	for _, delay := range []time.Duration{200 * time.Millisecond, time.Second, 1500 * time.Millisecond} {
		bubble(t, func(t *testing.T, tn *testNet) {
			alice, bob := tn.pair(true)
			startCall(alice, bob)
			advance(time.Second)
			ups := alice.ups() + bob.ups()
			for range 5 {
				tn.net.Delay(delay)
				advance(10 * time.Second)
				tn.net.Delay(0)
				advance(10 * time.Second)
			}
			if n := alice.ups() + bob.ups(); n != ups || len(alice.down)+len(bob.down) != 0 {
				t.Errorf("with %v of delay links came up %d times, want %d; down %v and %v", delay, n, ups, alice.down, bob.down)
			}
		})
	}
}

func TestWithoutACallSilenceIsNotSuspect(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.pair(true)
		ups, dials := alice.ups()+bob.ups(), tn.net.Dials()
		tn.net.Stall(true)
		advance(1500 * time.Millisecond)
		tn.net.Stall(false)
		advance(time.Minute)
		if n := tn.net.Dials(); n != dials || alice.ups()+bob.ups() != ups {
			t.Errorf("%d dials and %d links after a silence that nobody waited through", n-dials, alice.ups()+bob.ups()-ups)
		}
	})
}

// answering reads a scripted peer's messages, answers its pings while that is wanted, and gives the last one that came.
func (s *rawPeer) answering(pongs bool) (last <-chan wire.Message) {
	end := make(chan wire.Message, 1)
	go func() {
		var last wire.Message
		for {
			m, err := s.in.Next()
			if err != nil {
				end <- last
				return
			}
			last = m
			switch p, ok := m.(*wire.Ping); {
			case ok && pongs:
				s.send(&wire.Pong{T1: p.T1, T2: 1, T3: 1})
			case ok:
				s.send(&wire.Ping{T1: 1}) // it is heard, but does not hear
			}
		}
	}()
	return end
}

// The peer has dialled beside a link that is not suspect here: what is sent here may still not come there.
func TestOfTwoConnectionsTheFirstThatAnswersCarries(t *testing.T) {
	for _, oldAnswers := range []bool{true, false} {
		bubble(t, func(t *testing.T, tn *testNet) {
			bob := tn.device("bob")
			alice := tn.arbiterFor("alice", bob)
			tn.start(alice, false, bob)
			old := tn.dialHello(t, "alice", bob)
			advance(time.Millisecond)
			oldEnd := old.answering(oldAnswers)
			advance(3 * time.Second)
			new := tn.dialHello(t, "alice", bob)
			newEnd := new.answering(!oldAnswers)
			advance(time.Second)
			ups, loser := 2, oldEnd
			if oldAnswers {
				ups, loser = 1, newEnd
			}
			if alice.ups() != ups || alice.links.Link("bob") == nil {
				t.Fatalf("the old one answers: %v; up %d times, want %d", oldAnswers, alice.ups(), ups)
			}
			select {
			case m := <-loser:
				if bye, ok := m.(*wire.Bye); !ok || bye.Code != wire.CodeReplaced {
					t.Errorf("the last word on the other one is %+v, want a Bye with code %v", m, wire.CodeReplaced)
				}
			default:
				t.Error("the one that was not chosen is still open")
			}
		})
	}
}

func TestNobodyWaitsLongForAnAnswerThatDoesNotCome(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		bob := tn.device("bob")
		alice := tn.arbiterFor("alice", bob)
		tn.start(alice, false, bob)
		old := tn.dialHello(t, "alice", bob)
		advance(time.Millisecond)
		old.answering(false)
		advance(3 * time.Second)
		for range 20 {
			tn.dialHello(t, "alice", bob).answering(false)
		}
		advance(6 * time.Second)
		if alice.ups() != 1 || len(alice.down) != 0 {
			t.Errorf("up %d times, down %v", alice.ups(), alice.down)
		}
		if n := alice.links.Status("bob").Reconnects; n != 0 {
			t.Errorf("%d reconnects", n)
		}
	})
}

func TestADeadLinkIsNoticedWithAndWithoutACall(t *testing.T) {
	for _, inCall := range []bool{true, false} {
		bubble(t, func(t *testing.T, tn *testNet) {
			alice, bob := tn.pair(true)
			if inCall {
				startCall(alice, bob)
			}
			advance(700 * time.Millisecond)
			tn.net.Stall(true)
			advance(2600 * time.Millisecond)
			for _, d := range []*device{alice, bob} {
				if len(d.down) != 1 || !errors.Is(d.down[0], link.ErrDead) {
					t.Errorf("in a call: %v: %s is down because of %v, want ErrDead", inCall, d.name, d.down)
				}
			}
		})
	}
}
