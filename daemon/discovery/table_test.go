package discovery

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"vchat/daemon/identity"
)

var testTime = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func address(s string) netip.Addr { return netip.MustParseAddr(s) }

func sourceAt(key string, ttl time.Duration, addresses ...string) source {
	s := source{key: key, host: "host." + key, port: 7450, ttl: ttl}
	for _, a := range addresses {
		s.addresses = append(s.addresses, address(a))
	}
	return s
}

func newTestTable() (*table, *int) {
	changes := 0
	return newTable(idOf("self"), func() { changes++ }), &changes
}

func (t *table) ids() (all []identity.ID) {
	for _, d := range t.list() {
		all = append(all, d.ID)
	}
	return all
}

func TestTable_floodKeepsPlacesOfPeers(t *testing.T) {
	table, _ := newTestTable()
	table.setKnown([]identity.ID{idOf("peer")})
	before := idOf("before")
	table.put(testTime, announced{id: before}, sourceAt("first", time.Minute, "192.0.2.9"))
	for i := range 10_000 {
		name := fmt.Sprintf("flood %d", i)
		table.put(testTime, announced{id: idOf(name)}, sourceAt(name, time.Hour, "192.0.2.66"))
	}
	if n := len(table.list()); n != maxUnknown {
		t.Errorf("got %d devices, want %d", n, maxUnknown)
	}
	if !table.put(testTime, announced{id: idOf("peer")}, sourceAt("peer", time.Minute, "192.0.2.7")) {
		t.Error("a known peer has no place")
	}
	for _, id := range []identity.ID{before, idOf("peer")} {
		if !slices.Contains(table.ids(), id) {
			t.Errorf("%v was pushed out", id)
		}
	}
}

// Announcements for the id of a peer do not push out the first ones.
func TestTable_floodOfOneID(t *testing.T) {
	table, _ := newTestTable()
	peer := idOf("peer")
	table.setKnown([]identity.ID{peer})
	table.put(testTime, announced{id: peer, name: "attic"}, sourceAt("true", time.Minute, "192.0.2.7"))
	for i := range 1000 {
		lie := sourceAt(fmt.Sprintf("lie %d", i), time.Hour, fmt.Sprintf("198.51.100.%d", i%250))
		table.put(testTime, announced{id: peer, name: "mallory"}, lie)
	}
	d := table.list()[0]
	if len(table.devices[peer].sources) > maxSources || len(d.Addresses) > maxAddresses {
		t.Errorf("got %d sources and %d addresses", len(table.devices[peer].sources), len(d.Addresses))
	}
	if d.Name != "attic" || !slices.Contains(d.Addresses, netip.MustParseAddrPort("192.0.2.7:7450")) {
		t.Errorf("the first announcement was replaced: %+v", d)
	}
}

func TestTable_ignoresOwn(t *testing.T) {
	table, changes := newTestTable()
	if table.put(testTime, announced{id: idOf("self")}, sourceAt("k", time.Minute, "192.0.2.7")) || *changes != 0 {
		t.Error("this device is in its own list")
	}
}

func TestTable_expires(t *testing.T) {
	table, changes := newTestTable()
	table.put(testTime, announced{id: idOf("a")}, sourceAt("a", 100*time.Second, "192.0.2.7"))
	asked := []time.Duration{}
	for at := time.Duration(0); len(table.list()) > 0 && at < time.Hour; at += time.Second / 2 {
		now := testTime.Add(at)
		table.expire(now)
		if table.takeRefresh(now) {
			asked = append(asked, at)
		}
	}
	if len(asked) != 4 || asked[0] < 78*time.Second || asked[0] > 81*time.Second || asked[3] > 96*time.Second {
		t.Errorf("asked at %v, want four times, from about 79 to 95 s", asked)
	}
	if *changes != 2 || !table.next().IsZero() {
		t.Errorf("got %d changes and the next at %v, want 2 and none", *changes, table.next())
	}
}

func TestTable_lifetimeIsBounded(t *testing.T) {
	for _, tt := range []struct{ ttl, want time.Duration }{
		{time.Second, minLifetime}, {2 * time.Minute, 2 * time.Minute}, {136 * 365 * 24 * time.Hour, maxLifetime},
	} {
		table, _ := newTestTable()
		table.put(testTime, announced{id: idOf("a")}, sourceAt("a", tt.ttl, "192.0.2.7"))
		if got := table.devices[idOf("a")].sources[0].expires.Sub(testTime); got != tt.want {
			t.Errorf("ttl %v: got %v, want %v", tt.ttl, got, tt.want)
		}
	}
}

// Any host can send the goodbye of a device; the device itself is asked.
func TestTable_goodbye(t *testing.T) {
	for _, refreshed := range []bool{false, true} {
		t.Run(fmt.Sprint("refreshed=", refreshed), func(t *testing.T) {
			table, _ := newTestTable()
			s := sourceAt("a", time.Minute, "192.0.2.7")
			table.put(testTime, announced{id: idOf("a")}, s)
			if !table.goodbye(testTime, "a") || table.goodbye(testTime, "other") {
				t.Error("goodbye does not report whether there is such an announcement")
			}
			if refreshed {
				table.put(testTime.Add(time.Second), announced{id: idOf("a")}, s)
			}
			table.expire(testTime.Add(goodbyeDelay))
			if got := len(table.list()) == 1; got != refreshed {
				t.Errorf("got the device: %v, want %v", got, refreshed)
			}
		})
	}
}

func TestTable_changes(t *testing.T) {
	table, changes := newTestTable()
	s := sourceAt("a", time.Minute, "192.0.2.7")
	for i, tt := range []struct {
		name string
		do   func()
		want int
	}{
		{"new", func() { table.put(testTime, announced{id: idOf("a")}, s) }, 1},
		{"same", func() { table.put(testTime, announced{id: idOf("a")}, s) }, 0},
		{"new name", func() { table.put(testTime, announced{id: idOf("a"), name: "x"}, s) }, 1},
		{"new address", func() {
			table.put(testTime, announced{id: idOf("a"), name: "x"}, sourceAt("a", time.Minute, "192.0.2.8"))
		}, 1},
		{"same key, other id", func() { table.put(testTime, announced{id: idOf("b")}, s) }, 1},
		{"removed", func() { table.remove("a") }, 1},
		{"removed again", func() { table.remove("a") }, 0},
	} {
		*changes = 0
		if tt.do(); *changes != tt.want {
			t.Errorf("step %d, %s: got %d changes, want %d", i, tt.name, *changes, tt.want)
		}
	}
	if len(table.list()) != 0 {
		t.Errorf("got %v, want none", table.list())
	}
}

func TestInterface_accept(t *testing.T) {
	i := netInterface{index: 2, name: "eth0", prefixes: []netip.Prefix{
		netip.MustParsePrefix("203.0.113.5/24"), netip.MustParsePrefix("2001:db8:1::5/64"),
	}}
	for _, tt := range []struct{ address, want string }{
		{"203.0.113.9", "203.0.113.9"},
		{"203.0.112.9", ""}, // the Internet
		{"192.168.7.7", "192.168.7.7"},
		{"169.254.1.1", "169.254.1.1"},
		{"2001:db8:1::9", "2001:db8:1::9"},
		{"2001:db8:2::9", ""},
		{"fd00::9", "fd00::9"},
		{"fe80::9", "fe80::9%eth0"},
		{"fe80::9%wlan7", "fe80::9%eth0"},
		{"::ffff:192.168.7.7", "192.168.7.7"},
		{"127.0.0.1", ""}, {"::1", ""}, {"0.0.0.0", ""}, {"::", ""}, {"224.0.0.251", ""}, {"ff02::fb", ""},
		{"255.255.255.255", ""}, {"203.0.113.255", "203.0.113.255"},
	} {
		got, ok := i.accept(address(tt.address))
		if ok != (tt.want != "") || ok && got.String() != tt.want {
			t.Errorf("%s: got %v, %v, want %q", tt.address, got, ok, tt.want)
		}
	}
}
