package link_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"vchat/daemon/link"
)

// dialled counts what a device dials.
func dialled(tn *testNet, d *device) func() map[string]int {
	counts := map[string]int{}
	d.config = func(c *link.Config) {
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			d.locked(func() { counts[address]++ })
			return tn.net.Dial(ctx, network, address)
		}
	}
	return func() (copied map[string]int) {
		d.locked(func() {
			copied = map[string]int{}
			for a, n := range counts {
				copied[a] = n
			}
		})
		return copied
	}
}

func TestFound_peerWithoutAddress(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice"), tn.device("bob")
		tn.start(bob, false, alice)
		tn.start(alice, false, bob)
		advance(time.Minute)
		if alice.links.Link("bob") != nil {
			t.Fatal("got a link without an address")
		}
		alice.links.SetFound(bob.id.ID(), []string{"nowhere", "bob"})
		advance(time.Second)
		if alice.links.Link("bob") == nil {
			t.Errorf("got no link: %v", alice.links.Status("bob").Err)
		}
	})
}

// False addresses cost a few dials, with a back-off, and never count as the
// peer's answer.
func TestFound_falseAddresses(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob, mallory := tn.device("alice"), tn.device("bob"), tn.device("mallory")
		counts := dialled(tn, alice)
		tn.start(mallory, false)
		tn.start(alice, false, bob) // bob is not running
		alice.links.SetInCall("bob", true)
		addresses := []string{"mallory", "nowhere"}
		alice.links.SetFound(bob.id.ID(), addresses)
		advance(time.Minute)
		for _, a := range addresses {
			if n := counts()[a]; n < 10 || n > 70 {
				t.Errorf("in a minute of a call: got %d dials to %s, want about one every 2 s", n, a)
			}
		}
		alice.links.SetInCall("bob", false)
		advance(time.Minute)
		before := counts()
		advance(10 * time.Minute)
		for _, a := range addresses {
			if n := counts()[a] - before[a]; n < 10 || n > 60 {
				t.Errorf("in ten minutes: got %d dials to %s, want one every 15 to 30 s", n, a)
			}
		}
		if err := alice.links.Status("bob").Err; err == nil || errors.Is(err, link.ErrWrongIdentity) {
			t.Errorf("got %v, want an error that is no key mismatch", err)
		}
		alice.locked(func() {
			if len(alice.refused) != 0 {
				t.Errorf("got %v, want no refusals", alice.refused)
			}
		})
		if n := mallory.ups(); n != 0 {
			t.Errorf("got %d links with mallory", n)
		}
	})
}

// New false addresses all the time do not make it dial all the time.
func TestFound_manyFalseAddresses(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice"), tn.device("bob")
		tn.start(alice, false, bob)
		before := tn.net.Dials()
		for i := range 600 {
			var addresses []string
			for j := range 20 {
				addresses = append(addresses, string(rune('a'+i%26))+string(rune('a'+j)))
			}
			alice.links.SetFound(bob.id.ID(), addresses)
			advance(100 * time.Millisecond)
		}
		if n := tn.net.Dials() - before; n > 8*60*2 {
			t.Errorf("got %d dials in a minute, want at most 8 at a time", n)
		}
	})
}

// The configured address now belongs to another device.
func TestFound_peerHasMoved(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob, carol := tn.device("alice"), tn.device("bob"), tn.device("carol")
		tn.start(carol, false)
		tn.start(bob, false, alice)
		tn.start(alice, false)
		alice.links.Configure("alice", []link.Peer{{Name: "bob", ID: bob.id.ID(), Address: "carol"}})
		advance(time.Minute)
		if alice.links.Link("bob") != nil {
			t.Fatal("got a link to carol")
		}
		alice.links.SetFound(bob.id.ID(), []string{"bob"})
		advance(time.Second)
		if alice.links.Link("bob") == nil {
			t.Errorf("got no link: %v", alice.links.Status("bob").Err)
		}
	})
}

// A key that has changed is reported soon, whatever is announced.
func TestFound_configuredAddressHasAnotherKey(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob, carol := tn.device("alice"), tn.device("bob"), tn.device("carol")
		tn.start(carol, false)
		tn.start(alice, false)
		silent := tn.net.Listen("silent")
		t.Cleanup(func() { _ = silent.Close() })
		alice.links.Configure("alice", []link.Peer{{Name: "bob", ID: bob.id.ID(), Address: "carol"}})
		alice.links.SetFound(bob.id.ID(), []string{"silent", "nowhere"})
		alice.links.SetInCall("bob", true)
		advance(2500 * time.Millisecond)
		if err := alice.links.Status("bob").Err; !errors.Is(err, link.ErrWrongIdentity) {
			t.Errorf("got %v, want ErrWrongIdentity", err)
		}
	})
}

func TestFound_probe(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice"), tn.device("bob")
		tn.start(alice, false, bob)
		alice.links.SetFound(bob.id.ID(), []string{"bob"})
		advance(time.Minute)
		r := alice.links.Probe(t.Context(), "bob")
		if r.Failed != link.StepConnect || !slices.Equal(r.Addresses, []string{"bob"}) {
			t.Errorf("got %+v, want a failure of StepConnect at bob", r)
		}
	})
}
