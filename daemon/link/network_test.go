package link_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"vchat/daemon/link"
)

// fakeNetwork is a network that changes when a test says so.
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

func TestAChangeOfTheNetworkDialsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice"), tn.device("bob")
		change := make(fakeNetwork)
		alice.config = func(c *link.Config) { c.Network = change.watch }
		tn.start(alice, true, bob)
		for range 20 {
			advance(20 * time.Second) // pauses are up to two seconds by now, and no change is another one's continuation
			before := tn.net.Dials()
			change <- struct{}{}
			advance(151 * time.Millisecond)
			if n := tn.net.Dials(); n == before {
				t.Fatal("no dial after a change")
			}
		}
	})
}

func TestAStormOfChangesIsNotAStormOfDials(t *testing.T) {
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
			t.Errorf("%d dials in the twenty seconds of a storm", n)
		}
	})
}

// No call is on, so nothing but the change gives a reason to look.
func TestAChangeOfTheNetworkProbesTheLink(t *testing.T) {
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
			t.Errorf("a link that answers was replaced: %d dials", tn.net.Dials()-dials)
		}
		tn.net.Freeze()
		change <- struct{}{}
		advance(600 * time.Millisecond)
		if alice.ups() != ups+1 || bob.ups() != ups+1 || alice.links.Link("bob") != alice.up[ups] {
			t.Errorf("0.6 s after the change there is no new link: up %d and %d times", alice.ups(), bob.ups())
		}
	})
}

func TestWithoutAWatchItIsSaidOnce(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice := tn.device("alice")
		alice.config = func(c *link.Config) {
			c.Network = func(context.Context, func()) error { return errors.New("address family not supported") }
		}
		tn.start(alice, true)
		advance(time.Minute)
		if n := strings.Count(tn.logged(), "address family not supported"); n != 1 {
			t.Errorf("it was said %d times:\n%s", n, tn.logged())
		}
	})
}
