package link_test

import (
	"context"
	"testing"
	"time"

	"vchat/daemon/link"
)

func TestProbe(t *testing.T) {
	for _, tt := range []struct {
		name   string
		setup  func(tn *testNet, alice, bob *device)
		failed link.Step
	}{
		{"reached", func(tn *testNet, alice, bob *device) {
			tn.start(bob, false, alice)
		}, 0},
		{"connection refused", func(tn *testNet, alice, bob *device) {}, link.StepConnect},
		{"silent network", func(tn *testNet, alice, bob *device) {
			tn.start(bob, false, alice)
			tn.net.Stall(true)
		}, link.StepConnect},
		{"another key at the address", func(tn *testNet, alice, bob *device) {
			mallory := tn.device("bob")
			tn.start(mallory, false, alice)
		}, link.StepIdentity},
		{"our key unknown there", func(tn *testNet, alice, bob *device) {
			tn.start(bob, false)
		}, link.StepIdentity},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, tn *testNet) {
				alice, bob := tn.device("alice"), tn.device("bob")
				tt.setup(tn, alice, bob)
				tn.start(alice, true, bob)
				advance(time.Minute)
				tn.net.Cut() // so that the first link, if there is one, must be made again
				start := time.Now()
				p := alice.links.Probe(t.Context(), "bob")
				if p.Failed != tt.failed || (p.Err == nil) != (tt.failed == 0) {
					t.Errorf("got step %d, %v; want step %d", p.Failed, p.Err, tt.failed)
				}
				if took := time.Since(start); took > 6*time.Second {
					t.Errorf("took %v, want at most 6 s", took)
				}
				if tt.failed == 0 && (p.Software != "test" || p.Version != 1 || p.Remote == "") {
					t.Errorf("got %+v, want the software, the version and the address of the peer", p)
				}
				tn.net.Stall(false)
			})
		})
	}
}

// A link answers for itself: nothing is dialled.
func TestProbe_up(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, _ := tn.pair(false)
		advance(time.Second)
		dials := tn.net.Dials()
		p := alice.links.Probe(t.Context(), "bob")
		if !p.Up || p.Err != nil || p.Version != 1 || p.Software != "test" {
			t.Errorf("got %+v, want the link", p)
		}
		if n := tn.net.Dials() - dials; n != 0 {
			t.Errorf("got %d dials, want 0", n)
		}
	})
}

func TestProbe_notDialled(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice"), tn.device("bob")
		tn.start(alice, false, bob)
		advance(time.Second)
		if p := alice.links.Probe(t.Context(), "bob"); p.Failed != link.StepAddress || p.Err == nil {
			t.Errorf("without an address: got %+v, want StepAddress", p)
		}
		if p := alice.links.Probe(t.Context(), "carol"); p.Failed != link.StepAddress || p.Err == nil {
			t.Errorf("unknown peer: got %+v, want StepAddress", p)
		}
	})
}

func TestProbe_noSuchHost(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice"), tn.device("bob")
		alice.config = func(c *link.Config) { c.Lookup = fakeDNS{}.lookup }
		tn.start(alice, false)
		advance(time.Second)
		alice.links.Configure("alice", []link.Peer{{Name: "bob", Address: "nowhere:7450", ID: bob.id.ID()}})
		if p := alice.links.Probe(t.Context(), "bob"); p.Failed != link.StepResolve || len(p.Addresses) != 0 {
			t.Errorf("got %+v, want StepResolve", p)
		}
	})
}

// However often a client asks, a peer is dialled once a second for it. The
// dialer's own attempts come at most as often.
func TestProbe_often(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice"), tn.device("bob")
		tn.start(alice, true, bob) // bob is not running
		advance(time.Minute)
		before := tn.net.Dials()
		for range 100 {
			if p := alice.links.Probe(t.Context(), "bob"); p.Failed != link.StepConnect {
				t.Fatalf("got %+v, want StepConnect", p)
			}
		}
		if n := tn.net.Dials() - before; n != 1 {
			t.Errorf("got %d dials, want 1", n)
		}
	})
}

// A probe ends with the request and with the device.
func TestProbe_canceled(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice"), tn.device("bob")
		tn.start(bob, false, alice)
		tn.net.Stall(true)
		tn.start(alice, true, bob)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if p := alice.links.Probe(ctx, "bob"); p.Err == nil || time.Since(start) > time.Second {
			t.Errorf("got %+v after %v, want an error after 1 s", p, time.Since(start))
		}
		done := make(chan link.Probe, 1)
		go func() { done <- alice.links.Probe(t.Context(), "bob") }()
		advance(2 * time.Second)
		tn.net.Stall(false)
		tn.close()
		if p := <-done; p.Err == nil && p.Remote == "" {
			t.Errorf("got %+v, want an end", p)
		}
	})
}
