package discovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"vchat/daemon/identity"
)

// fakeAvahi implements caller. It answers as avahi-daemon does.
type fakeAvahi struct {
	state  int32
	calls  []string
	names  []string // of AddService
	paths  int
	freed  int
	refuse error // of AddService
}

func (f *fakeAvahi) call(_ context.Context, dest string, path dbus.ObjectPath, method string, args ...any) (
	[]any, error) {
	_, short, _ := strings.Cut(method, avahiName+".")
	f.calls = append(f.calls, short)
	if dest != ":1.7" {
		return nil, fmt.Errorf("called %s", dest)
	}
	newPath := func() []any {
		f.paths++
		return []any{dbus.ObjectPath(fmt.Sprintf("/object/%d", f.paths))}
	}
	switch short {
	case "Server.GetState":
		return []any{f.state}, nil
	case "Server.EntryGroupNew", "Server.ServiceBrowserNew", "Server.ServiceResolverNew":
		return newPath(), nil
	case "EntryGroup.AddService":
		f.names = append(f.names, args[3].(string))
		return nil, f.refuse
	case "ServiceResolver.Free":
		f.freed++
	}
	return nil, nil
}

func startFake(t *testing.T, f *fakeAvahi) *avahi {
	t.Helper()
	a := &avahi{bus: f, owner: ":1.7", own: Own{ID: idOf("self"), Name: "self", Version: 1, Port: 7450},
		table: newTable(idOf("self"), func() {}), log: slog.New(slog.DiscardHandler),
		interfaces: func(index int) (netInterface, error) {
			if index != 2 {
				return netInterface{}, errors.New("no such interface")
			}
			return netInterface{2, "eth0", []netip.Prefix{netip.MustParsePrefix("192.168.0.1/24")}}, nil
		}}
	if err := a.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *avahi) signal(t *testing.T, path dbus.ObjectPath, name string, body ...any) {
	t.Helper()
	if err := a.onSignal(t.Context(), &dbus.Signal{Sender: a.owner, Path: path, Name: name, Body: body}); err != nil {
		t.Error(err)
	}
}

func itemBody(name string) []any {
	return []any{int32(2), int32(0), name, ServiceType, "local", uint32(0)}
}

func foundBody(id identity.ID, name, address string) []any {
	var txt [][]byte
	for _, s := range (Own{ID: id, Name: name, Version: 1}).txt() {
		txt = append(txt, []byte(s))
	}
	return []any{int32(2), int32(0), name, ServiceType, "local", "host.local", int32(0), address, uint16(7450), txt,
		uint32(0)}
}

func TestAvahi_findsDevices(t *testing.T) {
	f := &fakeAvahi{state: avahiRunning}
	a := startFake(t, f)
	a.signal(t, a.browser, avahiBrowser+".ItemNew", itemBody("bob")...)
	path := a.resolvers[item{2, 0, "bob", ServiceType, "local"}.key()]
	a.signal(t, path, avahiResolver+".Found", foundBody(idOf("bob"), "bob", "192.168.0.2")...)
	got := a.table.list()
	if len(got) != 1 || got[0].ID != idOf("bob") || got[0].Addresses[0].String() != "192.168.0.2:7450" {
		t.Errorf("got %+v", got)
	}
	a.signal(t, path, avahiResolver+".Found", foundBody(idOf("bob"), "bob", "192.168.0.77")...)
	if got := a.table.list(); len(got) != 1 || got[0].Addresses[0].String() != "192.168.0.77:7450" {
		t.Errorf("after a new address: got %+v", got)
	}
	a.signal(t, a.browser, avahiBrowser+".ItemRemove", itemBody("bob")...)
	if n := len(a.table.list()); n != 0 || f.freed != 1 || len(a.resolvers)+len(a.keys) != 0 {
		t.Errorf("after ItemRemove: %d devices, %d resolvers freed, %v", n, f.freed, a.resolvers)
	}
}

func TestAvahi_registers(t *testing.T) {
	f := &fakeAvahi{state: 1} // registering
	a := startFake(t, f)
	if len(f.names) != 0 {
		t.Errorf("registered %q before Avahi runs", f.names)
	}
	a.signal(t, "/", avahiServer+".StateChanged", int32(avahiRunning), "")
	a.signal(t, a.group, avahiGroup+".StateChanged", int32(avahiCollision), "")
	a.signal(t, "/", avahiServer+".StateChanged", int32(3), "") // its host name collides
	a.signal(t, "/", avahiServer+".StateChanged", int32(avahiRunning), "")
	first, second := a.own.instance(1), a.own.instance(2)
	if want := []string{first, second, second}; !slices.Equal(f.names, want) {
		t.Errorf("got names %q, want %q", f.names, want)
	}
	if n := strings.Count(strings.Join(f.calls, " "), "EntryGroup.Reset"); n != 2 {
		t.Errorf("got %d resets, want 2: %q", n, f.calls)
	}
}

// A device that collides with every name ends the search for a free one.
func TestAvahi_collidesAlways(t *testing.T) {
	f := &fakeAvahi{state: avahiRunning, refuse: dbus.Error{Name: avahiName + ".CollisionError"}}
	a := startFake(t, f)
	f.refuse = nil
	for range 100 {
		a.committed = true
		a.signal(t, a.group, avahiGroup+".StateChanged", int32(avahiCollision), "")
	}
	if len(f.names) != maxRenames {
		t.Errorf("got %d names, want %d", len(f.names), maxRenames)
	}
}

func TestAvahi_mayNotRegister(t *testing.T) {
	f := &fakeAvahi{state: avahiRunning, refuse: dbus.Error{Name: avahiName + ".NotPermittedError"}}
	a := startFake(t, f)
	if a.browser == "" || !a.failed {
		t.Errorf("browser %q, failure logged: %v; want a browser and a log line", a.browser, a.failed)
	}
}

func TestAvahi_flood(t *testing.T) {
	f := &fakeAvahi{state: avahiRunning}
	a := startFake(t, f)
	peer := idOf("peer")
	a.table.setKnown([]identity.ID{peer})
	for i := range 10_000 {
		a.signal(t, a.browser, avahiBrowser+".ItemNew", itemBody(fmt.Sprint("fake ", i))...)
		a.signal(t, a.browser, avahiBrowser+".ItemNew", itemBody(fmt.Sprint("fake-", group(peer), i))...)
	}
	if n := len(a.resolvers); n > maxResolvers+maxMatching {
		t.Errorf("got %d resolvers, want at most %d", n, maxResolvers+maxMatching)
	}
	other := idOf("second peer")
	a.table.setKnown([]identity.ID{peer, other})
	name := Own{ID: other, Name: "second"}.instance(1)
	a.signal(t, a.browser, avahiBrowser+".ItemNew", itemBody(name)...)
	if _, ok := a.resolvers[item{2, 0, name, ServiceType, "local"}.key()]; !ok {
		t.Error("a known peer has no place")
	}
}

// Signals from programs other than Avahi and D-Bus are dropped.
func TestSignals(t *testing.T) {
	owner := ":1.7"
	s := &signals{queue: make(chan *dbus.Signal, 2)}
	s.DeliverSignal("", "", &dbus.Signal{Sender: ":1.7"})
	s.owner.Store(&owner)
	s.DeliverSignal("", "", &dbus.Signal{Sender: ":1.66"})
	if len(s.queue) != 0 || s.lost.Load() {
		t.Errorf("got %d signals", len(s.queue))
	}
	for range 3 {
		s.DeliverSignal("", "", &dbus.Signal{Sender: ":1.7"})
	}
	if len(s.queue) != 2 || !s.lost.Load() {
		t.Errorf("got %d signals, lost: %v; want 2 and true", len(s.queue), s.lost.Load())
	}
}
