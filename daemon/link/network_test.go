package link_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"vchat/daemon/link"
)

// fakeNetwork changes when a test sends a value.
type fakeNetwork chan struct{}

func (w fakeNetwork) watch(ctx context.Context, changed func()) error {
	for {
		select {
		case <-w:
			changed()
		case <-ctx.Done():
			return nil
		}
	}
}

func TestNetwork_changeDialsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice"), tn.device("bob")
		change := make(fakeNetwork)
		alice.config = func(c *link.Config) { c.Network = change.watch }
		tn.start(alice, true, bob)
		for range 20 {
			advance(20 * time.Second) // pauses are 2 s by now, and each change starts a new burst
			before := tn.net.Dials()
			change <- struct{}{}
			advance(151 * time.Millisecond)
			if n := tn.net.Dials(); n == before {
				t.Fatal("got no dial after a change")
			}
		}
	})
}

func TestNetwork_burst(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice"), tn.device("bob")
		change := make(fakeNetwork)
		alice.config = func(c *link.Config) { c.Network = change.watch }
		tn.start(alice, true, bob)
		advance(10 * time.Second)
		before := tn.net.Dials()
		for range 20_000 {
			change <- struct{}{}
			time.Sleep(time.Millisecond)
		}
		advance(0)
		if n := tn.net.Dials() - before; n > 60 {
			t.Errorf("got %d dials in a burst of 20 s, want at most 60", n)
		}
	})
}

// Without a call only the change makes the link stale.
func TestNetwork_changeProbesLink(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		change := make(fakeNetwork)
		alice, bob := tn.device("alice"), tn.device("bob")
		alice.config = func(c *link.Config) { c.Network = change.watch }
		tn.start(alice, true, bob)
		tn.start(bob, false, alice)
		advance(10 * time.Second)
		ups, dials := alice.ups(), tn.net.Dials()
		change <- struct{}{}
		advance(10 * time.Second)
		if alice.ups() != ups || tn.net.Dials() != dials {
			t.Errorf("live link: got %d dials, want 0 and no new link", tn.net.Dials()-dials)
		}
		tn.net.Freeze()
		change <- struct{}{}
		advance(600 * time.Millisecond)
		if alice.ups() != ups+1 || bob.ups() != ups+1 || alice.links.Link("bob") != alice.up[ups] {
			t.Errorf("0.6 s after the change: got %d and %d links, want %d", alice.ups(), bob.ups(), ups+1)
		}
	})
}

func TestNetwork_watchFails(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice := tn.device("alice")
		alice.config = func(c *link.Config) {
			c.Network = func(context.Context, func()) error { return errors.New("address family not supported") }
		}
		tn.start(alice, true)
		advance(time.Minute)
		if n := strings.Count(tn.logged(), "address family not supported"); n != 1 {
			t.Errorf("got %d log lines, want 1:\n%s", n, tn.logged())
		}
	})
}
