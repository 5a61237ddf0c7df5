package link_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"vchat/daemon/link"
)

// twins returns alice, a device with her key, and bob. Alice is the arbiter if
// first is true.
func twins(tn *testNet, first bool) (alice, twin, bob *device) {
	alice, bob = tn.device("alice"), tn.device("bob")
	if (alice.id.ID().Compare(bob.id.ID()) < 0) != first {
		alice.id, bob.id = bob.id, alice.id
	}
	twin = tn.device("twin")
	twin.id = alice.id
	for i, d := range []*device{alice, twin, bob} {
		d.config = func(c *link.Config) { c.Instance = uint64(i + 1) }
	}
	return alice, twin, bob
}

func (tn *testNet) expectLogged(on, text string, want int) {
	tn.t.Helper()
	got := 0
	for line := range strings.Lines(tn.logged()) {
		if strings.Contains(line, "on="+on) && strings.Contains(line, text) {
			got++
		}
	}
	if got != want {
		tn.t.Errorf("log of %s: got %d lines with %q, want %d", on, got, text, want)
	}
}

// The link stays with the device that has it. All three learn of the twin once.
func TestTwin(t *testing.T) {
	for name, first := range map[string]bool{"arbiter": true, "not the arbiter": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, tn *testNet) {
				alice, twin, bob := twins(tn, first)
				tn.start(bob, false, alice)
				tn.start(alice, true, bob)
				advance(3 * time.Second)
				tn.start(twin, true, bob)
				advance(time.Minute)
				if a, b, c := alice.ups(), bob.ups(), twin.ups(); a != 1 || b != 1 || c != 0 {
					t.Errorf("got %d, %d, %d links of alice, bob and the twin; want 1, 1, 0", a, b, c)
				}
				if alice.links.Twin() == "" || twin.links.Twin() == "" || bob.links.Status("alice").Twin == "" {
					t.Errorf("got twins %q at alice, %q at the twin, %q at bob; want all three",
						alice.links.Twin(), twin.links.Twin(), bob.links.Status("alice").Twin)
				}
				if bob.links.Twin() != "" {
					t.Error("bob has no twin")
				}
				tn.expectLogged("alice", "another device has this device's id", 1)
				tn.expectLogged("twin", "link down", 1)
				tn.expectLogged("bob", "two devices have the id of a peer", 1)
			})
		})
	}
}

// During a call the device that is in it takes precedence, even if the twin was
// the first after an outage.
func TestTwin_call(t *testing.T) {
	for name, first := range map[string]bool{"arbiter": true, "not the arbiter": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, tn *testNet) {
				alice, twin, bob := twins(tn, first)
				tn.start(bob, false, alice)
				tn.start(alice, true, bob)
				stop := tn.stop[len(tn.stop)-1]
				advance(3 * time.Second)
				bob.links.SetInCall("alice", true)
				stop()
				tn.start(twin, true, bob)
				advance(10 * time.Second)
				if !bob.links.Status("alice").Up || !bob.links.Link("alice").OtherInstance() {
					t.Fatal("the twin has no link, or is taken for alice")
				}
				tn.start(alice, true, bob)
				advance(10 * time.Second)
				if !alice.links.Status("bob").Up || bob.links.Link("alice").OtherInstance() {
					t.Error("alice has no link")
				}
				if twin.links.Status("bob").Up {
					t.Error("the twin still has a link")
				}
			})
		})
	}
}

// A device that was restarted without closing its connection has another
// instance and is no twin.
func TestTwin_restarted(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, restarted, bob := twins(tn, true)
		tn.start(bob, false, alice)
		tn.start(alice, true, bob)
		advance(3 * time.Second)
		tn.net.Freeze()
		tn.stop[len(tn.stop)-1]()
		tn.start(restarted, true, bob)
		advance(5 * time.Second)
		if restarted.ups() == 0 {
			t.Error("got no link of the restarted device")
		}
	})
}

// A twin at the address of a peer is recognised by both.
func TestTwin_dialled(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, twin, bob := twins(tn, true)
		twin.name = "bob" // where alice dials bob
		tn.start(twin, false, bob)
		tn.start(alice, true, bob)
		advance(time.Minute)
		if alice.links.Twin() == "" || twin.links.Twin() == "" {
			t.Errorf("got twins %q at alice, %q at the twin; want both", alice.links.Twin(), twin.links.Twin())
		}
		tn.expectLogged("alice", "another device has this device's id", 1)
		tn.expectLogged("bob", "another device has this device's id", 1)
		if err := alice.links.Status("bob").Err; !errors.Is(err, link.ErrWrongIdentity) {
			t.Errorf("got %v, want ErrWrongIdentity", err)
		}
	})
}
