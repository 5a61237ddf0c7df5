package daemon_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vchat/config"
	"vchat/daemon"
	"vchat/daemon/api"
	"vchat/daemon/daemontest"
	"vchat/daemon/identity"
	"vchat/daemon/peerstore"
)

// peerNamed returns the peer with a name; the zero Peer if there is none.
func peerNamed(s api.Status, name string) api.Peer {
	i := slices.IndexFunc(s.Peers, func(p api.Peer) bool { return p.Name == name })
	if i < 0 {
		return api.Peer{}
	}
	return s.Peers[i]
}

func linked(name string) func(api.Status) bool {
	return func(s api.Status) bool { return peerNamed(s, name).Link.State == api.LinkUp }
}

// Paired peers link at once, while a call with another peer goes on, and are
// known after a restart. Unpair ends their call.
func TestPaired(t *testing.T) {
	alice, bob := two(t)
	carol := daemontest.New(t, "carol")
	alice.Config.Calls.Max = 2
	start(bob, alice, carol)
	call(t, alice, bob)
	if _, err := carol.Daemon().AddPeer("alice", alice.ID, ""); err != nil {
		t.Fatal(err)
	}
	p, err := alice.Daemon().AddPeer("carol", carol.ID, carol.Config.Listen)
	if err != nil || p.Source != api.SourcePaired || p.Added.IsZero() || p.AutoAnswer {
		t.Errorf("got %+v, %v; want a paired peer", p, err)
	}
	s := alice.Wait("link to carol", linked("carol"))
	if !daemontest.Seeing(s) || peerNamed(s, "bob").Link.Reconnects != 0 {
		t.Error("pairing has disturbed the call with bob")
	}
	if got := peerNamed(s, "bob"); got.Source != api.SourceConfig {
		t.Errorf("got source %q of bob, want %q", got.Source, api.SourceConfig)
	}
	must(t)(alice.Client.Call(ctx(t), api.CallRequest{Peer: "carol"}))
	carol.Wait("ringing call", daemontest.InCall(api.CallIncoming))
	must(t)(carol.Client.Answer(ctx(t), ""))

	for _, d := range []*daemontest.Device{carol, alice} {
		d.Stop()
		d.Start()
	}
	alice.Wait("resumed call with carol", func(s api.Status) bool {
		return slices.ContainsFunc(s.Calls, func(c api.Call) bool {
			return c.Peer == "carol" && c.State == api.CallActive
		})
	})
	alice.Reload(func(*config.Config) error { return nil })
	if got := peerNamed(alice.Status(), "carol"); got.Source != api.SourcePaired || got.Link.State != api.LinkUp {
		t.Errorf("after a reload: got %+v, want carol paired and linked", got)
	}

	if _, err := alice.Client.Unpair(ctx(t), "carol"); err != nil {
		t.Fatal(err)
	}
	carol.Wait("end of the call", daemontest.NoCall)
	if s := alice.Status(); peerNamed(s, "carol").Name != "" || len(s.Calls) != 1 {
		t.Errorf("got %+v, want no carol and the call with bob", s.Peers)
	}
	if _, err := alice.Client.Call(ctx(t), api.CallRequest{Peer: "carol"}); !isKind(err, api.NoSuchPeer) {
		t.Errorf("call after unpair: got %v, want %s", err, api.NoSuchPeer)
	}
	if _, err := alice.Client.Unpair(ctx(t), "carol"); !isKind(err, api.NoSuchPeer) {
		t.Errorf("second unpair: got %v, want %s", err, api.NoSuchPeer)
	}
	if _, err := alice.Client.Unpair(ctx(t), "bob"); !isKind(err, api.Conflict) ||
		!strings.Contains(err.Error(), "configuration file") {
		t.Errorf("unpair of a peer of the file: got %v, want %s", err, api.Conflict)
	}
}

func TestAddPeer_refused(t *testing.T) {
	alice, bob := two(t)
	start(alice)
	d := alice.Daemon()
	for _, tt := range []struct {
		name string
		id   identity.ID
		want error
	}{
		{"BOB", identity.ID{1}, peerstore.ErrNameTaken},
		{"robert", bob.ID, daemon.ErrKnownPeer},
		{"myself", alice.ID, peerstore.ErrInvalid},
		{"self", identity.ID{1}, peerstore.ErrInvalid},
	} {
		if _, err := d.AddPeer(tt.name, tt.id, ""); !errors.Is(err, tt.want) {
			t.Errorf("AddPeer(%s): got %v, want %v", tt.name, err, tt.want)
		}
	}
	if got := alice.Status().Peers; len(got) != 1 {
		t.Errorf("got peers %v, want bob only", got)
	}
}

// A peer that the configuration gets later wins over a paired one.
func TestPaired_clash(t *testing.T) {
	alice := daemontest.New(t, "alice")
	alice.Start()
	d := alice.Daemon()
	for name, id := range map[string]identity.ID{"bob": {1}, "bob-2": {2}, "carol": {3}} {
		if _, err := d.AddPeer(name, id, ""); err != nil {
			t.Fatal(err)
		}
	}
	alice.Reload(func(c *config.Config) error {
		c.Peers = map[string]config.Peer{
			"Bob":      {Name: "Bob", ID: identity.ID{9}.String()},
			"caroline": {Name: "caroline", ID: identity.ID{3}.String()},
		}
		return nil
	})
	want := map[string]string{"Bob": identity.ID{9}.String(), "bob-3": identity.ID{1}.String(),
		"bob-2": identity.ID{2}.String(), "caroline": identity.ID{3}.String()}
	got := map[string]string{}
	for _, p := range alice.Status().Peers {
		got[p.Name] = p.ID
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if p, err := alice.Client.Unpair(ctx(t), "bob-3"); err != nil || p.ID != (identity.ID{1}).String() {
		t.Errorf("unpair by the name in use: got %+v, %v", p, err)
	}
	if p, err := alice.Client.Unpair(ctx(t), identity.ID{2}.String()); err != nil || p.Name != "bob-2" {
		t.Errorf("unpair by id: got %+v, %v; want bob-2", p, err)
	}
}

// Settings of a paired peer take effect at once, without disturbing its call,
// and survive a restart.
func TestChangePeer(t *testing.T) {
	alice, bob := daemontest.New(t, "alice"), daemontest.New(t, "bob")
	start(alice, bob)
	for d, other := range map[*daemontest.Device]*daemontest.Device{alice: bob, bob: alice} {
		if _, err := d.Daemon().AddPeer(other.Config.Name, other.ID, other.Config.Listen); err != nil {
			t.Fatal(err)
		}
	}
	alice.Wait("link to bob", linked("bob"))
	change := func(peer string, r api.PeerChange) api.Peer {
		t.Helper()
		p, err := bob.Client.ChangePeer(ctx(t), peer, r)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := change("alice", api.PeerChange{AutoAnswer: new(true)}); !p.AutoAnswer || p.Address != alice.Config.Listen {
		t.Errorf("got %+v, want automatic answers and the old address", p)
	}
	must(t)(alice.Client.Call(ctx(t), api.CallRequest{Peer: "bob"}))
	s := alice.Wait("answer without a user", daemontest.Seeing)
	before := peerNamed(s, "bob").Link.Reconnects
	p := change(alice.ID.String(), api.PeerChange{MaxBitrate: new(7.5), Address: new("localhost"),
		Proxy: new("socks5://tor:secret@127.0.0.1:9050")})
	if p.Proxy != "127.0.0.1:9050" {
		t.Errorf("got the proxy %q, want its address without the password", p.Proxy)
	}
	if p.MaxBitrate != 7.5 || p.Address != "localhost:7450" || !p.AutoAnswer {
		t.Errorf("got %+v, want the limit, the address with a port, and automatic answers", p)
	}
	change("alice", api.PeerChange{Address: new("")})
	if s := alice.Status(); !daemontest.Seeing(s) || peerNamed(s, "bob").Link.Reconnects != before {
		t.Error("the changes have disturbed the call")
	}
	if _, err := bob.Client.ChangePeer(ctx(t), "alice", api.PeerChange{Name: new("al")}); !isKind(err, api.Conflict) {
		t.Errorf("renamed in a call: got %v, want %s", err, api.Conflict)
	}
	must(t)(alice.Client.Hangup(ctx(t), ""))
	bob.Wait("end of the call", daemontest.NoCall)
	if p := change("alice", api.PeerChange{Name: new("al")}); p.Name != "al" || p.MaxBitrate != 7.5 {
		t.Errorf("got %+v, want the name al and the rest as before", p)
	}

	bob.Stop()
	bob.Start()
	p = peerNamed(bob.Status(), "al")
	if !p.AutoAnswer || p.MaxBitrate != 7.5 || p.Proxy != "127.0.0.1:9050" || p.Address != "" || p.Added.IsZero() {
		t.Errorf("after a restart: got %+v, want the settings as before", p)
	}
	if p := change("al", api.PeerChange{Proxy: new("")}); p.Proxy != "" {
		t.Errorf("got the proxy %q, want none", p.Proxy)
	}
	must(t)(alice.Client.Call(ctx(t), api.CallRequest{Peer: "bob"}))
	alice.Wait("answer after the restart", daemontest.Seeing)
}

func TestChangePeer_refused(t *testing.T) {
	alice := daemontest.New(t, "alice")
	alice.Config.Peers["carol"] = config.Peer{Name: "carol", ID: identity.ID{3}.String()}
	alice.Start()
	for name, id := range map[string]identity.ID{"bob": {1}, "dave": {2}} {
		if _, err := alice.Daemon().AddPeer(name, id, ""); err != nil {
			t.Fatal(err)
		}
	}
	before := alice.Status().Peers
	on := api.PeerChange{AutoAnswer: new(true)}
	for _, tt := range []struct {
		peer string
		r    api.PeerChange
		want api.Kind
	}{
		{"carol", on, api.Conflict},
		{"erin", on, api.NoSuchPeer},
		{identity.ID{9}.String(), on, api.NoSuchPeer},
		{"bob", api.PeerChange{Name: new("dave")}, api.BadValue},
		{"bob", api.PeerChange{Name: new("CAROL")}, api.BadValue},
		{"bob", api.PeerChange{Name: new("self")}, api.BadValue},
		{"bob", api.PeerChange{Name: new("../x")}, api.BadValue},
		{"bob", api.PeerChange{Name: new("")}, api.BadValue},
		{"bob", api.PeerChange{Address: new("bob:0")}, api.BadValue},
		{"bob", api.PeerChange{Address: new("b\nb")}, api.BadValue},
		{"bob", api.PeerChange{Proxy: new("http://127.0.0.1:9050")}, api.BadValue},
		{"bob", api.PeerChange{Proxy: new("socks5://127.0.0.1")}, api.BadValue},
		{"bob", api.PeerChange{MaxBitrate: new(-1.0)}, api.BadValue},
		{"bob", api.PeerChange{AutoAnswer: new(true), MaxBitrate: new(1e9)}, api.BadValue},
	} {
		if _, err := alice.Client.ChangePeer(ctx(t), tt.peer, tt.r); !isKind(err, tt.want) {
			t.Errorf("%s %+v: got %v, want %s", tt.peer, tt.r, err, tt.want)
		}
	}
	for i, p := range alice.Status().Peers {
		if p.AutoAnswer || p.Name != before[i].Name || p.Address != before[i].Address ||
			p.MaxBitrate != 0 || p.Proxy != "" {
			t.Errorf("got %+v, want it as before: %+v", p, before[i])
		}
	}
	if p, err := alice.Client.ChangePeer(ctx(t), "bob", api.PeerChange{Name: new("Bob")}); err != nil ||
		p.Name != "Bob" {
		t.Errorf("renamed to another case: got %+v, %v", p, err)
	}
}

// A paired peer that goes by another name because of one in the file keeps
// that name once it is changed.
func TestChangePeer_clash(t *testing.T) {
	alice := daemontest.New(t, "alice")
	alice.Start()
	if _, err := alice.Daemon().AddPeer("bob", identity.ID{1}, ""); err != nil {
		t.Fatal(err)
	}
	alice.Reload(func(c *config.Config) error {
		c.Peers = map[string]config.Peer{"Bob": {Name: "Bob", ID: identity.ID{9}.String()}}
		return nil
	})
	p, err := alice.Client.ChangePeer(ctx(t), "bob-2", api.PeerChange{AutoAnswer: new(true)})
	if err != nil || p.Name != "bob-2" || !p.AutoAnswer || p.ID != (identity.ID{1}).String() {
		t.Errorf("got %+v, %v; want bob-2 with automatic answers", p, err)
	}
}

// A damaged file of a paired peer is named, and the device runs.
func TestPaired_damagedFileIsAProblem(t *testing.T) {
	alice, bob := two(t)
	start(alice)
	if _, err := alice.Daemon().AddPeer("carol", identity.ID{1}, ""); err != nil {
		t.Fatal(err)
	}
	alice.Stop()
	path := filepath.Join(alice.Config.StateDir, peerstore.Dir, identity.ID{1}.String()+".json")
	if err := os.Truncate(path, 10); err != nil {
		t.Fatal(err)
	}
	start(alice, bob)
	named := slices.ContainsFunc(alice.Status().Problems, func(p api.Problem) bool {
		return p.Subject == "state" && strings.Contains(p.Message, path+".corrupt")
	})
	if !named || !strings.Contains(alice.Log(), path+".corrupt") {
		t.Errorf("got %+v, want the file named there and in the log", alice.Status().Problems)
	}
	call(t, alice, bob)
}
