package link_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"vchat/daemon/link"
	"vchat/daemon/wire"
)

// startCall makes the link between two devices one of a call.
func startCall(a, b *device) {
	a.links.SetInCall(b.name, true)
	b.links.SetInCall(a.name, true)
}

// TCP waits longer after each loss, up to seconds. A frozen connection would
// recover too late.
func TestStale_linkIsReplaced(t *testing.T) {
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
						t.Fatalf("%s, 0.55 s into the silence: got %d links, want %d", d.name, d.ups(), upBefore[i]+1)
					}
				}
				advance(10 * time.Second)
				for i, d := range []*device{alice, bob} {
					if d.ups() != upBefore[i]+1 || len(d.down) != 1 {
						t.Errorf("%s: got %d links and Down with %v, want one change", d.name, d.ups(), d.down)
					}
				}
				alice.links.Link("bob").Send(&wire.Text{ID: 1, Text: "there?"})
				advance(time.Second)
				if len(bob.messages) != 1 {
					t.Errorf("new link: got messages %v, want 1", bob.messages)
				}
			})
		}
	}
}

func TestStale_upBeforeDown(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice := &orderHandler{device: tn.device("alice")}
		alice.handler = alice
		alice.once.Do(func() {}) // no sleep: fake time stands still while a goroutine waits for a mutex
		bob := tn.device("bob")
		tn.start(alice.device, true, bob)
		tn.start(bob, true, alice.device)
		advance(3 * time.Second)
		startCall(alice.device, bob)
		alice.locked(func() { alice.calls = nil })
		tn.net.Freeze()
		advance(2 * time.Second)
		if want := []string{"up", "down"}; !slices.Equal(alice.calls, want) {
			t.Errorf("got %v, want %v", alice.calls, want)
		}
	})
}

func TestStale_recoveredLinkStays(t *testing.T) {
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
				t.Fatalf("after %d ms of silence: got %d links, want %d; Down with %v and %v",
					silence, n, ups, alice.down, bob.down)
			}
		}
		dials := tn.net.Dials()
		advance(10 * time.Second)
		if n := tn.net.Dials(); n != dials {
			t.Errorf("live link: got %d dials, want 0", n-dials)
		}
	})
}

// A queue of a second in the network causes one silence, while it fills, and
// slow answers after that.
func TestStale_slowNetwork(t *testing.T) {
	for _, delay := range []time.Duration{200 * time.Millisecond, time.Second, 1500 * time.Millisecond} {
		t.Run(delay.String(), func(t *testing.T) {
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
					t.Errorf("delay %v: got %d links, want %d; Down with %v and %v",
						delay, n, ups, alice.down, bob.down)
				}
			})
		})
	}
}

func TestStale_notWithoutCall(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.pair(true)
		ups, dials := alice.ups()+bob.ups(), tn.net.Dials()
		tn.net.Stall(true)
		advance(1500 * time.Millisecond)
		tn.net.Stall(false)
		advance(time.Minute)
		if n := tn.net.Dials(); n != dials || alice.ups()+bob.ups() != ups {
			t.Errorf("got %d dials and %d new links, want none", n-dials, alice.ups()+bob.ups()-ups)
		}
	})
}

// serve reads messages, and answers pings if pongs is true. It sends the last
// message that came.
func (s *rawPeer) serve(pongs bool) (last <-chan wire.Message) {
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
				s.send(&wire.Ping{T1: 1}) // not silent, but no answer
			}
		}
	}()
	return end
}

// The peer dials a second connection while the link is live here: its side may
// hear nothing.
func TestArbitrate_firstAnswerWins(t *testing.T) {
	for _, oldAnswers := range []bool{true, false} {
		t.Run(fmt.Sprintf("old answers %v", oldAnswers), func(t *testing.T) {
			bubble(t, func(t *testing.T, tn *testNet) {
				bob := tn.device("bob")
				alice := tn.arbiterFor("alice", bob)
				tn.start(alice, false, bob)
				old := tn.dialHello(t, "alice", bob)
				advance(time.Millisecond)
				oldEnd := old.serve(oldAnswers)
				advance(3 * time.Second)
				new := tn.dialHello(t, "alice", bob)
				newEnd := new.serve(!oldAnswers)
				advance(time.Second)
				ups, loser := 2, oldEnd
				if oldAnswers {
					ups, loser = 1, newEnd
				}
				if alice.ups() != ups || alice.links.Link("bob") == nil {
					t.Fatalf("old one answers %v: got %d links, want %d", oldAnswers, alice.ups(), ups)
				}
				select {
				case m := <-loser:
					if bye, ok := m.(*wire.Bye); !ok || bye.Code != wire.CodeReplaced {
						t.Errorf("loser: got last message %+v, want a Bye with code %v", m, wire.CodeReplaced)
					}
				default:
					t.Error("loser: still open")
				}
			})
		})
	}
}

func TestArbitrate_noAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		bob := tn.device("bob")
		alice := tn.arbiterFor("alice", bob)
		tn.start(alice, false, bob)
		old := tn.dialHello(t, "alice", bob)
		advance(time.Millisecond)
		old.serve(false)
		advance(3 * time.Second)
		for range 20 {
			tn.dialHello(t, "alice", bob).serve(false)
		}
		advance(6 * time.Second)
		if alice.ups() != 1 || len(alice.down) != 0 {
			t.Errorf("got %d links and Down with %v, want 1 link", alice.ups(), alice.down)
		}
		if n := alice.links.Status("bob").Reconnects; n != 0 {
			t.Errorf("got %d reconnects, want 0", n)
		}
	})
}

func TestLinks_deadLink(t *testing.T) {
	for _, inCall := range []bool{true, false} {
		t.Run(fmt.Sprintf("in a call %v", inCall), func(t *testing.T) {
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
						t.Errorf("in a call %v, %s: got Down with %v, want ErrDead", inCall, d.name, d.down)
					}
				}
			})
		})
	}
}
