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
func call(a, b *device) {
	a.links.SetInCall(b.name, true)
	b.links.SetInCall(a.name, true)
}

// The pauses of TCP after a loss grow to seconds: what is frozen here would go on some time, but nobody waits for it.
func TestASilentLinkIsReplacedByOneThatCarries(t *testing.T) {
	for _, bothDial := range []bool{true, false} {
		for range 10 {
			in(t, func(t *testing.T, b *lab) {
				alice, bob := b.pair(bothDial)
				call(alice, bob)
				after(time.Second)
				upBefore := [2]int{alice.ups(), bob.ups()}
				b.net.Freeze()
				after(550 * time.Millisecond)
				for i, d := range []*device{alice, bob} {
					other := []string{"bob", "alice"}[i]
					if d.ups() != upBefore[i]+1 || d.links.Link(other) != d.up[len(d.up)-1] {
						t.Fatalf("%s, half a second after the link fell silent: up %d times, want %d", d.name, d.ups(), upBefore[i]+1)
					}
				}
				after(10 * time.Second)
				for i, d := range []*device{alice, bob} {
					if d.ups() != upBefore[i]+1 || len(d.down) != 1 {
						t.Errorf("%s: up %d times, down %v: want no more than one change", d.name, d.ups(), d.down)
					}
				}
				alice.links.Link("bob").Send(&wire.Text{ID: 1, Text: "there?"})
				after(time.Second)
				if len(bob.messages) != 1 {
					t.Errorf("the new link carries nothing: %v", bob.messages)
				}
			})
		}
	}
}

func TestTheOldLinkEndsAfterTheNewOneIsTold(t *testing.T) {
	in(t, func(t *testing.T, b *lab) {
		alice := &order{device: b.device("alice")}
		alice.handler = alice
		alice.once.Do(func() {}) // it does not take its time: a bubble's clock stands still while somebody waits for a mutex
		bob := b.device("bob")
		b.start(alice.device, true, bob)
		b.start(bob, true, alice.device)
		after(3 * time.Second)
		call(alice.device, bob)
		alice.note(func() { alice.heard = nil })
		b.net.Freeze()
		after(2 * time.Second)
		if want := []string{"up", "down"}; !slices.Equal(alice.heard, want) {
			t.Errorf("heard %v, want %v", alice.heard, want)
		}
	})
}

func TestALinkThatCarriesAgainFirstStays(t *testing.T) {
	in(t, func(t *testing.T, b *lab) {
		alice, bob := b.pair(true)
		call(alice, bob)
		after(time.Second)
		ups := alice.ups() + bob.ups()
		for _, silence := range []time.Duration{300, 600, 1000, 2000} {
			b.net.Stall(true)
			after(silence * time.Millisecond)
			b.net.Stall(false)
			after(5 * time.Second)
			if n := alice.ups() + bob.ups(); n != ups || len(alice.down)+len(bob.down) != 0 {
				t.Fatalf("after %d ms of silence: links came up %d times, want %d; down %v and %v", silence, n, ups, alice.down, bob.down)
			}
		}
		dials := b.net.Dials()
		after(10 * time.Second)
		if n := b.net.Dials(); n != dials {
			t.Errorf("%d dials beside a link that carries", n-dials)
		}
	})
}

// A queue of a second in the network is silence once, when it fills, and a slow answer after that.
func TestASlowNetworkDoesNotMakeLinksFlap(t *testing.T) {
	for _, delay := range []time.Duration{200 * time.Millisecond, time.Second, 1500 * time.Millisecond} {
		in(t, func(t *testing.T, b *lab) {
			alice, bob := b.pair(true)
			call(alice, bob)
			after(time.Second)
			ups := alice.ups() + bob.ups()
			for range 5 {
				b.net.Delay(delay)
				after(10 * time.Second)
				b.net.Delay(0)
				after(10 * time.Second)
			}
			if n := alice.ups() + bob.ups(); n != ups || len(alice.down)+len(bob.down) != 0 {
				t.Errorf("with %v of delay links came up %d times, want %d; down %v and %v", delay, n, ups, alice.down, bob.down)
			}
		})
	}
}

func TestWithoutACallSilenceIsNotSuspect(t *testing.T) {
	in(t, func(t *testing.T, b *lab) {
		alice, bob := b.pair(true)
		ups, dials := alice.ups()+bob.ups(), b.net.Dials()
		b.net.Stall(true)
		after(1500 * time.Millisecond)
		b.net.Stall(false)
		after(time.Minute)
		if n := b.net.Dials(); n != dials || alice.ups()+bob.ups() != ups {
			t.Errorf("%d dials and %d links after a silence that nobody waited through", n-dials, alice.ups()+bob.ups()-ups)
		}
	})
}

// answering reads a scripted peer's messages, answers its pings while that is wanted, and gives the last one that came.
func (s *script) answering(pongs bool) (last <-chan wire.Message) {
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
				s.say(&wire.Pong{T1: p.T1, T2: 1, T3: 1})
			case ok:
				s.say(&wire.Ping{T1: 1}) // it is heard, but does not hear
			}
		}
	}()
	return end
}

// The peer has dialled beside a link that is not suspect here: what is sent here may still not come there.
func TestOfTwoConnectionsTheFirstThatAnswersCarries(t *testing.T) {
	for _, oldAnswers := range []bool{true, false} {
		in(t, func(t *testing.T, b *lab) {
			bob := b.device("bob")
			alice := b.smaller("alice", bob)
			b.start(alice, false, bob)
			old := b.greet(t, "alice", bob)
			after(time.Millisecond)
			oldEnd := old.answering(oldAnswers)
			after(3 * time.Second)
			new := b.greet(t, "alice", bob)
			newEnd := new.answering(!oldAnswers)
			after(time.Second)
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
	in(t, func(t *testing.T, b *lab) {
		bob := b.device("bob")
		alice := b.smaller("alice", bob)
		b.start(alice, false, bob)
		old := b.greet(t, "alice", bob)
		after(time.Millisecond)
		old.answering(false)
		after(3 * time.Second)
		for range 20 {
			b.greet(t, "alice", bob).answering(false)
		}
		after(6 * time.Second)
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
		in(t, func(t *testing.T, b *lab) {
			alice, bob := b.pair(true)
			if inCall {
				call(alice, bob)
			}
			after(700 * time.Millisecond)
			b.net.Stall(true)
			after(2600 * time.Millisecond)
			for _, d := range []*device{alice, bob} {
				if len(d.down) != 1 || !errors.Is(d.down[0], link.ErrDead) {
					t.Errorf("in a call: %v: %s is down because of %v, want ErrDead", inCall, d.name, d.down)
				}
			}
		})
	}
}
