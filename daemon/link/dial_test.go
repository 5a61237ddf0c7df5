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

// In a stalled network each attempt alone would wait for seconds.
func TestDial_overlapsDuringCall(t *testing.T) {
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
			t.Errorf("got %d attempts in a minute, want 4 to 8 a second", n)
		}
		if n := most.Load(); n < 2 || n > 16 {
			t.Errorf("got %d attempts at once, want 2 to 16", n)
		}
		tn.net.Stall(false)
		advance(151 * time.Millisecond)
		if alice.links.Link("bob") == nil || bob.links.Link("alice") == nil {
			t.Error("got no link after the next attempt")
		}
		dials := tn.net.Dials()
		advance(time.Minute)
		if n := tn.net.Dials(); n != dials {
			t.Errorf("with a link: got %d dials, want 0", n-dials)
		}
	})
}

func TestDial_slowsDownAfterCall(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice"), tn.device("bob")
		tn.start(alice, true, bob) // bob is not running
		alice.links.SetInCall("bob", true)
		advance(time.Minute)
		alice.links.SetInCall("bob", false)
		before := tn.net.Dials()
		advance(time.Minute)
		if n := tn.net.Dials() - before; n < 30 || n > 90 {
			t.Errorf("without a call: got %d dials in a minute, want one every 1 to 2 s", n)
		}
		if n := strings.Count(tn.logged(), "link down"); n != 1 {
			t.Errorf("got %d log lines, want 1", n)
		}
	})
}

// Most attempts end after a second, but a path of a second needs more.
func TestDial_slowNetwork(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice"), tn.device("bob")
		tn.start(bob, true, alice)
		tn.start(alice, true, bob)
		startCall(alice, bob)
		tn.net.Delay(time.Second)
		tn.net.Cut()
		advance(15 * time.Second)
		if alice.links.Link("bob") == nil || bob.links.Link("alice") == nil {
			t.Errorf("got no link: %v; %v", alice.links.Status("bob").Err, bob.links.Status("alice").Err)
		}
	})
}

func TestDial_refusedDuringCall(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice"), tn.device("bob")
		tn.start(bob, false) // without peers
		tn.start(alice, true, bob)
		advance(time.Second)
		alice.links.SetInCall("bob", true)
		before := tn.net.Dials()
		advance(time.Minute)
		if n := tn.net.Dials() - before; n < 5 || n > 20 {
			t.Errorf("got %d dials in a minute, want one every 5 to 10 s", n)
		}
	})
}

// rudeDevice sends a second hello on each link, which is a protocol error.
type rudeDevice struct{ *device }

func (r rudeDevice) Up(l *link.Link) { l.Send(&wire.Hello{VersionMin: 1, VersionMax: 1}) }

// A peer that ends each link at once must not cause a busy loop.
func TestDial_linksThatEndAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice"), tn.device("bob")
		bob.handler = rudeDevice{bob}
		tn.start(bob, false, alice)
		tn.start(alice, true, bob)
		alice.links.SetInCall("bob", true)
		advance(10 * time.Second)
		before := alice.ups()
		advance(time.Minute)
		if n := alice.ups() - before; n < 20 || n > 90 {
			t.Errorf("got %d links in a minute, want one every 1 to 2 s", n)
		}
	})
}

// fakeDNS maps host names to addresses.
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

func TestDial_severalAddresses(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob, mallory := tn.device("alice"), tn.device("192.0.2.7:7450"), tn.device("192.0.2.1:7450")
		names := fakeDNS{"workshop": {"2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.7", "192.0.2.8"}}
		var dialled []string
		alice.config = func(c *link.Config) {
			c.Lookup = names.lookup
			c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				alice.locked(func() { dialled = append(dialled, address) })
				if strings.HasPrefix(address, "[") {
					<-ctx.Done() // a network that drops everything
					return nil, ctx.Err()
				}
				return tn.net.Dial(ctx, network, address)
			}
		}
		tn.start(mallory, false, alice) // has that address by now
		tn.start(bob, false, alice)
		tn.start(alice, false)
		alice.links.Configure("alice", []link.Peer{{Name: "bob", Address: "workshop:7450", ID: bob.id.ID()}})
		advance(500 * time.Millisecond)
		if l := alice.links.Link("bob"); l == nil || l.Remote() != bob.name {
			t.Fatalf("got no link to %s: %v; dialled %q", bob.name, alice.links.Status("bob").Err, dialled)
		}
		want := []string{"[2001:db8::1]:7450", "192.0.2.1:7450", "[2001:db8::2]:7450", "192.0.2.7:7450"}
		if !slices.Equal(dialled, want) {
			t.Errorf("dialled: got %q, want %q", dialled, want)
		}
		if len(alice.refused) != 0 {
			t.Errorf("got Refused with %v, want none: the peer is at another address", alice.refused)
		}

		// The last good address is used while the name cannot be resolved.
		delete(names, "workshop")
		alice.locked(func() { dialled = nil })
		tn.net.Cut()
		advance(150 * time.Millisecond)
		if alice.links.Link("bob") == nil || !slices.Equal(dialled, []string{bob.name}) {
			t.Errorf("after a cut: dialled %q, want only %q; %v", dialled, bob.name, alice.links.Status("bob").Err)
		}
	})
}

func TestDial_wrongDeviceAtOnlyAddress(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob, mallory := tn.device("alice"), tn.device("bob"), tn.device("192.0.2.1:7450")
		alice.config = func(c *link.Config) { c.Lookup = fakeDNS{"workshop": {"192.0.2.1"}}.lookup }
		tn.start(mallory, false, alice)
		tn.start(alice, false)
		alice.links.Configure("alice", []link.Peer{{Name: "bob", Address: "workshop:7450", ID: bob.id.ID()}})
		advance(time.Second)
		if len(alice.refused) != 1 || !errors.Is(alice.refused[0], link.ErrWrongIdentity) {
			t.Errorf("got Refused with %v, want ErrWrongIdentity", alice.refused)
		}
		alice.links.Configure("alice", []link.Peer{{Name: "bob", Address: "nowhere:7450", ID: bob.id.ID()}})
		advance(time.Second)
		if err := alice.links.Status("bob").Err; err == nil || !strings.Contains(err.Error(), "no such host") {
			t.Errorf("unknown host: got %v, want no such host", err)
		}
	})
}
