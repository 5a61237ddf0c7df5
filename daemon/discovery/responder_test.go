package discovery

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// wireless joins responders by packets and a clock. Each has one interface.
type wireless struct {
	t       *testing.T
	now     time.Time
	members []*member
	sent    int
	lose    func(from *member, b []byte) bool
}

type member struct {
	*responder
	addr netip.Addr
}

func newWireless(t *testing.T) *wireless { return &wireless{t: t, now: testTime} }

func (w *wireless) join(name, addr string) *member {
	table := newTable(idOf(name), func() {})
	own := Own{ID: idOf(name), Name: name, Version: 1, Port: 7450}
	m := &member{newResponder(own, table), address(addr)}
	m.setInterfaces(w.now, []netInterface{{2, "eth0", []netip.Prefix{netip.PrefixFrom(m.addr, 24)}}})
	w.members = append(w.members, m)
	return m
}

func (w *wireless) leave(m *member) {
	w.send(m, m.goodbye())
	w.members = slices.DeleteFunc(w.members, func(x *member) bool { return x == m })
}

func (w *wireless) send(from *member, packets []packet) {
	for _, p := range packets {
		w.sent++
		if w.lose != nil && w.lose(from, p.bytes) {
			continue
		}
		for _, m := range w.members { // multicast loops back
			m.onPacket(w.now, 2, netip.AddrPortFrom(from.addr, port), p.bytes)
		}
	}
}

// advance lets time pass. It returns how often a responder woke up.
func (w *wireless) advance(d time.Duration) (wakeups int) {
	w.t.Helper()
	for end := w.now.Add(d); ; {
		var first *member
		for _, m := range w.members {
			if at := m.due(); !at.IsZero() && (first == nil || at.Before(first.due())) {
				first = m
			}
		}
		if first == nil || first.due().After(end) {
			w.now = end
			return wakeups
		}
		if at := first.due(); at.After(w.now) {
			w.now = at
		}
		if wakeups++; wakeups > 100_000 {
			w.t.Fatal("a responder is always due")
		}
		w.send(first, first.run(w.now))
	}
}

func (m *member) sees(t *testing.T, other string, addresses ...string) {
	t.Helper()
	for _, d := range m.table.list() {
		if d.ID == idOf(other) && d.Name == other && d.Version == 1 {
			var got []string
			for _, a := range d.Addresses {
				got = append(got, a.String())
			}
			if !slices.Equal(got, addresses) {
				t.Errorf("%s at %q, want %q", other, got, addresses)
			}
			return
		}
	}
	if len(addresses) > 0 {
		t.Errorf("%s sees %v, want %s", m.own.Name, m.table.list(), other)
	}
}

func TestResponder_findsEachOther(t *testing.T) {
	w := newWireless(t)
	alice := w.join("alice", "192.168.0.1")
	w.advance(time.Hour)
	bob := w.join("bob", "192.168.0.2")
	w.advance(2 * time.Second)
	alice.sees(t, "bob", "192.168.0.2:7450")
	bob.sees(t, "alice", "192.168.0.1:7450")
	w.advance(time.Hour)
	alice.sees(t, "bob", "192.168.0.2:7450")
	bob.sees(t, "alice", "192.168.0.1:7450")
	w.leave(bob)
	w.advance(3 * time.Second)
	alice.sees(t, "bob")
}

// A device that was switched off says no goodbye.
func TestResponder_goneWithoutGoodbye(t *testing.T) {
	w := newWireless(t)
	alice, bob := w.join("alice", "192.168.0.1"), w.join("bob", "192.168.0.2")
	w.advance(10 * time.Second)
	alice.sees(t, "bob", "192.168.0.2:7450")
	w.members = slices.DeleteFunc(w.members, func(m *member) bool { return m == bob })
	w.advance(3 * time.Minute)
	alice.sees(t, "bob")
}

func TestResponder_losesPackets(t *testing.T) {
	w := newWireless(t)
	random := rand.New(rand.NewPCG(1, 2))
	w.lose = func(*member, []byte) bool { return random.IntN(3) == 0 }
	alice, bob := w.join("alice", "192.168.0.1"), w.join("bob", "192.168.0.2")
	w.advance(time.Minute)
	missing := 0
	for range 600 { // seconds
		w.advance(time.Second)
		missing += 2 - len(alice.table.list()) - len(bob.table.list())
	}
	if missing > 120 {
		t.Errorf("in 10 min: a device was not seen for %d s", missing)
	}
}

// All packets of the first hour are lost.
func TestResponder_networkThatCarriesNothingAtFirst(t *testing.T) {
	w := newWireless(t)
	w.lose = func(*member, []byte) bool { return true }
	alice, bob := w.join("alice", "192.168.0.1"), w.join("bob", "192.168.0.2")
	w.advance(time.Hour)
	w.lose = nil
	w.advance(maxSilence)
	alice.sees(t, "bob", "192.168.0.2:7450")
	bob.sees(t, "alice", "192.168.0.1:7450")
}

func TestResponder_addressChanges(t *testing.T) {
	w := newWireless(t)
	alice, bob := w.join("alice", "192.168.0.1"), w.join("bob", "192.168.0.2")
	w.advance(time.Minute)
	bob.setInterfaces(w.now, []netInterface{{2, "eth0", []netip.Prefix{netip.MustParsePrefix("192.168.0.77/24")}}})
	w.advance(time.Second)
	alice.sees(t, "bob", "192.168.0.77:7450")
	bob.setInterfaces(w.now, nil)
	if n := len(bob.table.list()); n != 0 {
		t.Errorf("without an interface: got %d devices, want 0", n)
	}
}

// Many devices wake up a few times for each lifetime, all together.
func TestResponder_sleeps(t *testing.T) {
	w := newWireless(t)
	for i := range 10 {
		w.join(fmt.Sprint("device ", i), fmt.Sprintf("192.168.0.%d", i+1))
	}
	w.advance(time.Minute)
	w.sent = 0
	wakeups := w.advance(time.Hour)
	// 120 s of lifetime less a fifth, in an hour: 38 refreshes, each with one
	// question and ten answers; some devices ask at the same time.
	if w.sent > 38*30 || wakeups > 38*60 {
		t.Errorf("in an hour: got %d packets and %d wakeups of ten devices", w.sent, wakeups)
	}
	alone := newWireless(t)
	alone.join("alone", "192.168.0.1")
	alone.advance(time.Minute)
	// It asks every 5 min; multicast loops back, and it answers itself.
	if n := alone.advance(24 * time.Hour); n > 2*(24*60/5+10) {
		t.Errorf("alone: got %d wakeups in a day, want two in 5 min", n)
	}
}

// RFC 6762, section 6: an answer at most once a second.
func TestResponder_floodOfQuestions(t *testing.T) {
	w := newWireless(t)
	alice := w.join("alice", "192.168.0.1")
	w.advance(time.Minute)
	w.sent = 0
	question, _ := query(nil, nil)
	for i := range 10_000 {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, byte(i >> 8), byte(i)}), port)
		alice.onPacket(w.now, 2, from, question)
		w.advance(time.Millisecond)
	}
	if w.sent > 11 {
		t.Errorf("got %d answers in 10 s, want at most 11", w.sent)
	}
}

func TestResponder_knownAnswer(t *testing.T) {
	for _, tt := range []struct {
		ttl  uint32
		want int
	}{{4000, 0}, {1000, 1}} {
		w := newWireless(t)
		alice := w.join("alice", "192.168.0.1")
		w.advance(time.Minute)
		w.sent = 0
		b := newBuilder(dnsmessage.Header{})
		question, err := b.finish([]error{b.StartQuestions(), b.question(serviceName, dnsmessage.TypePTR),
			b.StartAnswers(), b.pointer(serviceName, alice.own.instance(1)+"."+serviceName, tt.ttl)})
		if err != nil {
			t.Fatal(err)
		}
		alice.onPacket(w.now, 2, netip.MustParseAddrPort("192.168.0.9:5353"), question)
		w.advance(2 * time.Second)
		if w.sent != tt.want {
			t.Errorf("known for %d s: got %d answers, want %d", tt.ttl, w.sent, tt.want)
		}
	}
}

// A device that floods does not drown the others.
func TestResponder_floodOfAnnouncements(t *testing.T) {
	w := newWireless(t)
	alice := w.join("alice", "192.168.0.1")
	w.advance(time.Minute)
	parsed := 0
	for i := range 5000 {
		name := fmt.Sprintf("fake %d", i)
		lie, err := records{instance: name, host: "h.local.", port: 1, txt: Own{ID: idOf(name)}.txt(),
			addresses: []netip.Addr{address("192.168.0.66")}}.response(false)
		if err != nil {
			t.Fatal(err)
		}
		before := alice.budget.all
		alice.onPacket(w.now, 2, netip.MustParseAddrPort("192.168.0.66:5353"), lie)
		parsed += alice.budget.all - before
	}
	if parsed > maxPerSource {
		t.Errorf("parsed %d packets of one address in one moment, want %d", parsed, maxPerSource)
	}
	w.join("bob", "192.168.0.2")
	w.advance(2 * time.Second)
	alice.sees(t, "bob", "192.168.0.2:7450")
}

func TestResponder_nameConflict(t *testing.T) {
	w := newWireless(t)
	alice, bob := w.join("alice", "192.168.0.1"), w.join("bob", "192.168.0.2")
	w.advance(time.Minute)
	taken := alice.own.instance(1)
	theirs, err := records{instance: taken, host: "other.local.", port: 9, txt: []string{""},
		addresses: []netip.Addr{address("192.168.0.9")}}.response(false)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 { // a device that takes every name
		alice.onPacket(w.now, 2, netip.MustParseAddrPort("192.168.0.9:5353"), theirs)
		w.advance(100 * time.Millisecond)
	}
	w.advance(time.Minute)
	if alice.attempt != 2 {
		t.Errorf("got attempt %d, want 2", alice.attempt)
	}
	bob.sees(t, "alice", "192.168.0.1:7450")
}

func TestResponder_refusesPackets(t *testing.T) {
	w := newWireless(t)
	alice := w.join("alice", "192.168.0.1")
	w.advance(time.Minute)
	good, err := records{instance: "x", host: "x.local.", port: 7450, txt: Own{ID: idOf("x"), Name: "x"}.txt(),
		addresses: []netip.Addr{address("192.168.0.2"), address("fe80::2"), address("8.8.8.8")}}.response(false)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		index int
		from  string
	}{
		{"from another port", 2, "192.168.0.2:1234"},
		{"on another interface", 3, "192.168.0.2:5353"},
	} {
		alice.onPacket(w.now, tt.index, netip.MustParseAddrPort(tt.from), good)
		if n := len(alice.table.list()); n != 0 {
			t.Errorf("%s: got %d devices, want 0", tt.name, n)
		}
	}
	alice.onPacket(w.now, 2, netip.MustParseAddrPort("192.168.0.2:5353"), good)
	var got []string
	for _, d := range alice.table.list() {
		for _, a := range d.Addresses {
			got = append(got, a.String())
		}
	}
	if want := []string{"192.168.0.2:7450", "[fe80::2%eth0]:7450"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOwn_instance(t *testing.T) {
	for _, tt := range []struct {
		name    string
		attempt int
		want    string
	}{
		{"kitchen", 1, "kitchen-" + group(idOf("x"))},
		{"kitchen", 3, "kitchen-" + group(idOf("x")) + "-3"},
		{"cam.1\\\xff", 1, "cam-1---" + group(idOf("x"))},
		{strings.Repeat("ä", 64), 1, strings.Repeat("ä", 28) + "-" + group(idOf("x"))},
	} {
		got := Own{ID: idOf("x"), Name: tt.name}.instance(tt.attempt)
		if got != tt.want || len(got) > maxInstance {
			t.Errorf("%q: got %q (%d bytes), want %q", tt.name, got, len(got), tt.want)
		}
	}
}
