package link_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vchat/daemon/link"
	"vchat/daemon/wire"
)

// A call waits, and nothing gets through: each attempt would have waited for seconds.
func TestInHasteAttemptsOverlap(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice"), tn.device("bob")
		var now, most atomic.Int32
		alice.config = func(c *link.Config) {
			c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				n := now.Add(1)
				defer now.Add(-1)
				most.Store(max(most.Load(), n))
				return tn.net.Dial(ctx, network, address)
			}
		}
		tn.start(bob, false, alice)
		tn.net.Stall(true)
		tn.start(alice, true, bob)
		alice.links.SetInCall("bob", true)
		before := tn.net.Dials()
		advance(time.Minute)
		if n := tn.net.Dials() - before; n < 4*60 || n > 8*60 {
			t.Errorf("%d attempts in a minute, want at least four a second", n)
		}
		if n := most.Load(); n < 2 || n > 16 {
			t.Errorf("%d attempts at once, want a few", n)
		}
		tn.net.Stall(false)
		advance(151 * time.Millisecond)
		if alice.links.Link("bob") == nil || bob.links.Link("alice") == nil {
			t.Error("no link after the next attempt")
		}
		dials := tn.net.Dials()
		advance(time.Minute)
		if n := tn.net.Dials(); n != dials {
			t.Errorf("%d dials beside the link", n-dials)
		}
	})
}

func TestTheEndOfACallEndsTheHaste(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice"), tn.device("bob")
		tn.start(alice, true, bob) // nobody is there
		alice.links.SetInCall("bob", true)
		advance(time.Minute)
		alice.links.SetInCall("bob", false)
		before := tn.net.Dials()
		advance(time.Minute)
		if n := tn.net.Dials() - before; n < 30 || n > 90 {
			t.Errorf("%d dials in a minute without a call, want one every 1 to 2 s", n)
		}
		if n := strings.Count(tn.logged(), "link down"); n != 1 {
			t.Errorf("the cause was logged %d times, want once", n)
		}
	})
}

// A network that takes a second and more for each way is no reason never to come to a link.
func TestInHasteASlowNetworkStillConnects(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice"), tn.device("bob")
		tn.start(bob, true, alice)
		tn.start(alice, true, bob)
		startCall(alice, bob)
		tn.net.Delay(time.Second)
		tn.net.Cut()
		advance(15 * time.Second)
		if alice.links.Link("bob") == nil || bob.links.Link("alice") == nil {
			t.Errorf("no link: %v; %v", alice.links.Status("bob").Err, bob.links.Status("alice").Err)
		}
	})
}

func TestWhoIsRefusedDialsRarelyInACallToo(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice"), tn.device("bob")
		tn.start(bob, false) // knows nobody
		tn.start(alice, true, bob)
		advance(time.Second)
		alice.links.SetInCall("bob", true)
		before := tn.net.Dials()
		advance(time.Minute)
		if n := tn.net.Dials() - before; n < 5 || n > 20 {
			t.Errorf("%d dials in a minute, want one every 5 to 10 s", n)
		}
	})
}

// rude is a device that breaks a rule on each link.
type rude struct{ *device }

func (r rude) Up(l *link.Link) { l.Send(&wire.Hello{VersionMin: 1, VersionMax: 1}) } // a second one is a fault

// A peer that ends each link as soon as it is up must not make us run in circles with it.
func TestLinksThatEndAtOnceAreNotMadeInHaste(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice"), tn.device("bob")
		bob.handler = rude{bob}
		tn.start(bob, false, alice)
		tn.start(alice, true, bob)
		alice.links.SetInCall("bob", true)
		advance(10 * time.Second)
		before := alice.ups()
		advance(time.Minute)
		if n := alice.ups() - before; n < 20 || n > 90 {
			t.Errorf("links came up %d times in a minute, want one every 1 to 2 s", n)
		}
	})
}

// fakeDNS is a lookup for tests.
type fakeDNS map[string][]string

func (i fakeDNS) lookup(_ context.Context, host string, v4 bool) (found []netip.Addr, err error) {
	for _, s := range i[host] {
		if a := netip.MustParseAddr(s); a.Is4() == v4 {
			found = append(found, a)
		}
	}
	if found == nil {
		err = &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return found, err
}

func TestOfSeveralAddressesTheOneThatWorksIsFound(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob, mallory := tn.device("alice"), tn.device("192.0.2.7:7450"), tn.device("192.0.2.1:7450")
		names := fakeDNS{"workshop": {"2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.7", "192.0.2.8"}}
		var dialled []string
		alice.config = func(c *link.Config) {
			c.Lookup = names.lookup
			c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				alice.locked(func() { dialled = append(dialled, address) })
				if strings.HasPrefix(address, "[") {
					<-ctx.Done() // a network that swallows everything
					return nil, ctx.Err()
				}
				return tn.net.Dial(ctx, network, address)
			}
		}
		tn.start(mallory, false, alice) // somebody else has that address by now
		tn.start(bob, false, alice)
		tn.start(alice, false)
		alice.links.Configure("alice", []link.Peer{{Name: "bob", Address: "workshop:7450", ID: bob.id.ID()}})
		advance(500 * time.Millisecond)
		if l := alice.links.Link("bob"); l == nil || l.Remote() != bob.name {
			t.Fatalf("no link to %s: %v; dialled %q", bob.name, alice.links.Status("bob").Err, dialled)
		}
		if want := []string{"[2001:db8::1]:7450", "192.0.2.1:7450", "[2001:db8::2]:7450", "192.0.2.7:7450"}; !slices.Equal(dialled, want) {
			t.Errorf("dialled %q, want %q", dialled, want)
		}
		if len(alice.refused) != 0 {
			t.Errorf("alice was told %v, though the peer was at another address", alice.refused)
		}

		// The name cannot be looked up any more, but the address that worked is known.
		delete(names, "workshop")
		alice.locked(func() { dialled = nil })
		tn.net.Cut()
		advance(150 * time.Millisecond)
		if alice.links.Link("bob") == nil || !slices.Equal(dialled, []string{bob.name}) {
			t.Errorf("after a cut: dialled %q, want %q alone; %v", dialled, bob.name, alice.links.Status("bob").Err)
		}
	})
}

func TestAStrangerAtTheOnlyAddressIsTold(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob, mallory := tn.device("alice"), tn.device("bob"), tn.device("192.0.2.1:7450")
		alice.config = func(c *link.Config) { c.Lookup = fakeDNS{"workshop": {"192.0.2.1"}}.lookup }
		tn.start(mallory, false, alice)
		tn.start(alice, false)
		alice.links.Configure("alice", []link.Peer{{Name: "bob", Address: "workshop:7450", ID: bob.id.ID()}})
		advance(time.Second)
		if len(alice.refused) != 1 || !errors.Is(alice.refused[0], link.ErrWrongIdentity) {
			t.Errorf("alice was told %v, want ErrWrongIdentity", alice.refused)
		}
		alice.links.Configure("alice", []link.Peer{{Name: "bob", Address: "nowhere:7450", ID: bob.id.ID()}})
		advance(time.Second)
		if err := alice.links.Status("bob").Err; err == nil || !strings.Contains(err.Error(), "no such host") {
			t.Errorf("a name that does not exist gives %v", err)
		}
	})
}
