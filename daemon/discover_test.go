package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/client"
	"vchat/daemon/discovery"
	"vchat/daemon/identity"
)

// fakeNetwork is a finder that finds what the test says.
type fakeNetwork struct {
	changed func()

	mu       sync.Mutex
	devices  []discovery.Device
	settings discovery.Settings
}

func (n *fakeNetwork) set(devices ...discovery.Device) {
	n.mu.Lock()
	n.devices = devices
	n.mu.Unlock()
	n.changed()
}

func (n *fakeNetwork) Configure(s discovery.Settings) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.settings = s
}

func (n *fakeNetwork) known() []identity.ID {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.settings.Known
}

func (n *fakeNetwork) Devices() []discovery.Device {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]discovery.Device(nil), n.devices...)
}

func (n *fakeNetwork) Run(ctx context.Context) error { <-ctx.Done(); return nil }
func (n *fakeNetwork) By() discovery.By              { return "fake" }
func (n *fakeNetwork) On() bool                      { return true }

// networkDevice is a running device on a fakeNetwork.
type networkDevice struct {
	*Daemon
	*client.Client
	network *fakeNetwork
}

// startOnNetwork runs a device that listens on loopback.
func startOnNetwork(t *testing.T, name string, change func(*config.Config)) networkDevice {
	t.Helper()
	dir, err := os.MkdirTemp("", "vchat-test-") // short: the path of a socket is limited to 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Name, cfg.StateDir, cfg.Listen = name, filepath.Join(dir, "state"), "127.0.0.1:0"
	cfg.Camera.Device, cfg.Control = "test", config.Control{Socket: filepath.Join(dir, "control.sock")}
	if change != nil {
		change(cfg)
	}
	d, err := New(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	network := &fakeNetwork{changed: func() { notify(d.devicesDirty) }}
	d.discovery = network
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	c := client.New(cfg.Control.Socket)
	t.Cleanup(func() {
		c.Close()
		cancel()
		if err := errors.Join(<-done, os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	select {
	case <-d.Ready():
	case <-time.After(20 * time.Second):
		t.Fatal("the daemon is not ready after 20 s")
	}
	return networkDevice{d, c, network}
}

// announced returns the device as others find it.
func (d networkDevice) announced(t *testing.T, name string) discovery.Device {
	t.Helper()
	return found(d.ID(), name, d.Addr().(*net.TCPAddr).AddrPort())
}

func found(id identity.ID, name string, addresses ...netip.AddrPort) discovery.Device {
	return discovery.Device{ID: id, Name: name, Addresses: addresses, Since: time.Now()}
}

func TestSeenAs(t *testing.T) {
	d := startOnNetwork(t, "kitchen", nil)
	at := netip.MustParseAddrPort
	d.network.set(
		found(identity.ID{1}, "workshop", at("192.0.2.1:7450"), at("[fe80::1%eth0]:7450")),
		found(identity.ID{2}, "living room", at("192.0.2.2:7450")),
		found(identity.ID{3}, "twin", at("192.0.2.3:7450")),
		found(identity.ID{4}, "TWIN", at("192.0.2.4:7450")),
		found(identity.ID{5}, "", at("192.0.2.5:7450")),
		found(identity.ID{6}, "192.0.2.1", at("192.0.2.6:7450")),
	)
	for name, want := range map[string]identity.ID{
		"workshop": {1}, "WorkShop": {1}, "living room": {2}, "living-room": {2},
		(identity.ID{5}).String(): {5}, strings.ToLower((identity.ID{4}).String()): {4},
	} {
		if v, err := d.seenAs(name); err != nil || v == nil || v.ID != want.String() {
			t.Errorf("%s: got %+v, %v; want %v", name, v, err, want)
		}
	}
	for _, name := range []string{
		"attic", "", "192.0.2.1", "workshop.local", "workshop:7450", (identity.ID{9}).String(), "work",
	} {
		if v, err := d.seenAs(name); err != nil || v != nil {
			t.Errorf("%q: got %+v, %v; want no device", name, v, err)
		}
	}
	_, err := d.seenAs("twin")
	if e, ok := errors.AsType[*api.Error](err); !ok || e.Kind != api.BadValue ||
		e.Message != "2 devices on the network are named twin" ||
		e.Hint != "give the address of one: 192.0.2.3:7450, 192.0.2.4:7450" {
		t.Errorf("two of a name: got %#v", err)
	}
}

// A peer without an address is called where it is found, and what is found is
// listed with its name here.
func TestDiscovery_peerIsFound(t *testing.T) {
	bob := startOnNetwork(t, "bob", nil)
	alice := startOnNetwork(t, "alice", func(c *config.Config) {
		c.Peers["robert"] = config.Peer{Name: "robert", ID: bob.ID().String()}
	})
	if _, err := bob.AddPeer("alice", alice.ID(), ""); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]identity.ID{bob.ID()}, alice.network.known()); diff != "" {
		t.Errorf("known peers of the finder (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]identity.ID{alice.ID()}, bob.network.known()); diff != "" {
		t.Errorf("after pairing (-want +got):\n%s", diff)
	}
	stranger := found(identity.ID{7}, "stranger", netip.MustParseAddrPort("192.0.2.7:7450"))
	alice.network.set(bob.announced(t, "bob"), stranger)
	s := wait(t, alice.Client, "a link to the found peer", func(s api.Status) bool {
		return s.Peers[0].Link.State == api.LinkUp
	})
	if s.Discovery == nil || s.Discovery.By != "fake" || len(s.Discovery.Devices) != 2 {
		t.Fatalf("got %+v, want two devices", s.Discovery)
	}
	all, err := alice.Network(t.Context())
	if err != nil || len(all.Devices) != 2 {
		t.Fatalf("got %+v, %v; want two devices", all, err)
	}
	peer, other := all.Devices[0], all.Devices[1]
	if peer.Peer != "robert" || peer.Name != "bob" || len(peer.Addresses) != 1 ||
		peer.Addresses[0] != bob.Addr().String() {
		t.Errorf("got %+v, want bob as robert with his address", peer)
	}
	if other.Peer != "" || other.Name != "stranger" || other.ID != stranger.ID.String() {
		t.Errorf("got %+v, want the stranger as no peer", other)
	}
}

// A device that comes or goes is an event, but many strangers are few events.
func TestDiscovery_events(t *testing.T) {
	bob := identity.ID{1}
	d := startOnNetwork(t, "alice", func(c *config.Config) {
		c.Peers["bob"] = config.Peer{Name: "bob", ID: bob.String()}
	})
	events, err := d.Client.Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	at := netip.MustParseAddrPort("192.0.2.1:7450")
	strangers := make([]discovery.Device, 60)
	for i := range strangers {
		strangers[i] = found(identity.ID{2, byte(i)}, "stranger", at)
	}
	d.network.set(strangers...)
	wait(t, d.Client, "the strangers", func(s api.Status) bool { return len(s.Discovery.Devices) == len(strangers) })
	ofStrangers := 0
	next := func(gone bool) {
		t.Helper()
		for {
			e, err := events.Next()
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case e.Event != api.EventDevice:
			case e.Peer == "bob":
				if e.Gone != gone || e.Device == nil || e.Device.ID != bob.String() || e.Device.Peer != "bob" {
					t.Errorf("got %+v, want bob, gone: %v", e, gone)
				}
				return
			default:
				ofStrangers++
			}
		}
	}
	d.network.set(append(strangers, found(bob, "bob", at))...)
	next(false)
	d.network.set(strangers...)
	next(true)
	if ofStrangers == 0 || ofStrangers == len(strangers) {
		t.Errorf("got %d events of %d strangers, want some of them", ofStrangers, len(strangers))
	}
}

// A device that was found is paired by its name, and called at its address.
func TestPair_byName(t *testing.T) {
	kitchen, workshop := startOnNetwork(t, "kitchen", nil), startOnNetwork(t, "workshop", nil)
	kitchen.network.set(workshop.announced(t, "Work shop"))
	waits := pairOf(t, workshop, api.PairRequest{Wait: true})
	dials := pairOf(t, kitchen, api.PairRequest{Address: "work-shop"})
	code := dials.until(t, api.PairingComparing)
	if code.Address != workshop.Addr().String() || code.Peer != "workshop" {
		t.Errorf("got %+v, want the address of the workshop, and its own name", code)
	}
	waits.until(t, api.PairingComparing)
	for _, d := range []networkDevice{kitchen, workshop} {
		if _, err := d.Client.ConfirmPairing(t.Context(), api.PairConfirm{Code: code.Code}); err != nil {
			t.Fatal(err)
		}
	}
	dials.until(t, api.PairingPaired)
	s := wait(t, kitchen.Client, "a link", func(s api.Status) bool {
		return len(s.Peers) == 1 && s.Peers[0].Link.State == api.LinkUp
	})
	if p := s.Peers[0]; p.Name != "workshop" || p.Address != workshop.Addr().String() {
		t.Errorf("got %+v, want the workshop with the address where it was found", p)
	}
}

// Another device at the address that a device has announced is not paired.
func TestPair_byNameOfAnother(t *testing.T) {
	kitchen, workshop := startOnNetwork(t, "kitchen", nil), startOnNetwork(t, "workshop", nil)
	x := workshop.announced(t, "attic")
	x.ID = identity.ID{1}
	kitchen.network.set(x)
	pairOf(t, workshop, api.PairRequest{Wait: true})
	last := pairOf(t, kitchen, api.PairRequest{Address: "attic"}).until(t, api.PairingFailed)
	if last.Error == nil || !strings.Contains(last.Error.Message, "is not the one that was announced there") {
		t.Errorf("got %+v, want the reason", last)
	}
	if all := kitchen.Daemon.Peers(); len(all) > 0 {
		t.Errorf("got peers %+v, want none", all)
	}
}

type pairEvents struct{ *client.Events }

func pairOf(t *testing.T, d networkDevice, r api.PairRequest) pairEvents {
	t.Helper()
	e, err := d.Client.Pair(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return pairEvents{e}
}

// until returns the next event of a state.
func (p pairEvents) until(t *testing.T, state api.PairingState) api.Pairing {
	t.Helper()
	for {
		e, err := p.Next()
		if err != nil {
			t.Fatalf("until %s: %v", state, err)
		}
		if e.Pairing.State == state {
			return *e.Pairing
		}
		if e.Pairing.State == api.PairingFailed {
			t.Fatalf("until %s: %+v", state, e.Pairing.Error)
		}
	}
}
