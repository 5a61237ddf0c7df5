package link_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"vchat/daemon/link"
)

// weather is a network that changes when a test says so.
type weather chan struct{}

func (w weather) watch(ctx context.Context, changed func()) error {
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
	in(t, func(t *testing.T, b *lab) {
		alice, bob := b.device("alice"), b.device("bob")
		change := make(weather)
		alice.config = func(c *link.Config) { c.Network = change.watch }
		b.start(alice, true, bob)
		for range 20 {
			after(20 * time.Second) // pauses are up to two seconds by now, and no change is another one's continuation
			before := b.net.Dials()
			change <- struct{}{}
			after(151 * time.Millisecond)
			if n := b.net.Dials(); n == before {
				t.Fatal("no dial after a change")
			}
		}
	})
}

func TestAStormOfChangesIsNotAStormOfDials(t *testing.T) {
	in(t, func(t *testing.T, b *lab) {
		alice, bob := b.device("alice"), b.device("bob")
		change := make(weather)
		alice.config = func(c *link.Config) { c.Network = change.watch }
		b.start(alice, true, bob)
		after(10 * time.Second)
		before := b.net.Dials()
		for range 20_000 {
			change <- struct{}{}
			time.Sleep(time.Millisecond)
		}
		after(0)
		if n := b.net.Dials() - before; n > 60 {
			t.Errorf("%d dials in the twenty seconds of a storm", n)
		}
	})
}

// No call is on, so nothing but the change gives a reason to look.
func TestAChangeOfTheNetworkProbesTheLink(t *testing.T) {
	in(t, func(t *testing.T, b *lab) {
		change := make(weather)
		alice, bob := b.device("alice"), b.device("bob")
		alice.config = func(c *link.Config) { c.Network = change.watch }
		b.start(alice, true, bob)
		b.start(bob, false, alice)
		after(10 * time.Second)
		ups, dials := alice.ups(), b.net.Dials()
		change <- struct{}{}
		after(10 * time.Second)
		if alice.ups() != ups || b.net.Dials() != dials {
			t.Errorf("a link that answers was replaced: %d dials", b.net.Dials()-dials)
		}
		b.net.Freeze()
		change <- struct{}{}
		after(600 * time.Millisecond)
		if alice.ups() != ups+1 || bob.ups() != ups+1 || alice.links.Link("bob") != alice.up[ups] {
			t.Errorf("0.6 s after the change there is no new link: up %d and %d times", alice.ups(), bob.ups())
		}
	})
}

func TestWithoutAWatchItIsSaidOnce(t *testing.T) {
	in(t, func(t *testing.T, b *lab) {
		alice := b.device("alice")
		alice.config = func(c *link.Config) {
			c.Network = func(context.Context, func()) error { return errors.New("address family not supported") }
		}
		b.start(alice, true)
		after(time.Minute)
		if n := strings.Count(b.logged(), "address family not supported"); n != 1 {
			t.Errorf("it was said %d times:\n%s", n, b.logged())
		}
	})
}
