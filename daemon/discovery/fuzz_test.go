package discovery

import (
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/net/dns/dnsmessage"
)

// A packet cannot crash the responder, grow its state, make it always busy, or
// make it send what it cannot parse itself.
func FuzzPacket(f *testing.F) {
	mine := records{instance: "x-AAAAA", host: "vchat-aaaaa.local.", port: 7450,
		txt: Own{ID: idOf("x"), Name: "x", Version: 1}.txt(), addresses: []netip.Addr{address("192.168.0.2"),
			address("fe80::2")}}
	for _, make := range []func() ([]byte, error){
		mine.probe,
		func() ([]byte, error) { return mine.response(false) },
		func() ([]byte, error) { return mine.response(true) },
		func() ([]byte, error) { return query([]string{"x." + serviceName}, []string{"x.local."}) },
		func() ([]byte, error) { // a service alone, then its host alone
			b := newBuilder(dnsmessage.Header{Response: true})
			return b.finish([]error{b.StartAnswers(), b.service("x."+serviceName, "x.local.", 1, 120),
				b.StartAdditionals(), b.address("x.local.", address("10.0.0.1"), 0)})
		},
	} {
		b, err := make()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, b)
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		r := newResponder(Own{ID: idOf("self"), Name: "self", Port: 7450}, newTable(idOf("self"), func() {}))
		now := testTime
		r.setInterfaces(now, []netInterface{{2, "eth0", []netip.Prefix{netip.MustParsePrefix("192.168.0.1/24")}}})
		for i, p := range [][]byte{a, b, a} {
			r.onPacket(now, 2, netip.MustParseAddrPort("192.168.0.66:5353"), p)
			for n := 0; ; n++ {
				at := r.due()
				if at.IsZero() || at.After(testTime.Add(time.Duration(i+1)*time.Minute)) {
					break
				}
				if n > 1000 {
					t.Fatal("always due")
				}
				now = latest(now, at)
				for _, out := range r.run(now) {
					if _, err := parseMessage(out.bytes); err != nil || len(out.bytes) > maxPacket {
						t.Fatalf("sent %d bytes: %v", len(out.bytes), err)
					}
				}
			}
		}
		check(t, r.table)
		if n := r.nets[2]; len(n.instances) > maxMissing || len(n.hosts) > maxMissing {
			t.Errorf("%d instances and %d hosts to ask for", len(n.instances), len(n.hosts))
		}
	})
}

// check checks what the rest of the daemon relies on.
func check(t *testing.T, table *table) {
	t.Helper()
	devices := table.list()
	if len(devices) > maxUnknown {
		t.Errorf("%d devices", len(devices))
	}
	for _, d := range devices {
		if len(d.Name) > maxName || !utf8.ValidString(d.Name) || strings.ContainsFunc(d.Name,
			func(r rune) bool { return r < ' ' }) {
			t.Errorf("name %q", d.Name)
		}
		if len(d.Addresses) == 0 || len(d.Addresses) > maxAddresses || d.ID == idOf("self") {
			t.Errorf("device %+v", d)
		}
		for _, a := range d.Addresses {
			if a.Port() == 0 || a.Addr().IsMulticast() || a.Addr().IsLoopback() ||
				a.Addr().Is6() && a.Addr().IsLinkLocalUnicast() && a.Addr().Zone() != "eth0" {
				t.Errorf("address %v", a)
			}
		}
	}
}

func FuzzTXT(f *testing.F) {
	f.Add(strings.Join(Own{ID: idOf("x"), Name: "kitchen", Version: 1}.txt(), "\n"))
	f.Add("ID=" + idOf("x").String() + "\nid=second\nname=a\u202eb\x1b[2J\nv=99999\n=\n")
	f.Add("id=AAAAA-AAAAA\n" + strings.Repeat("x", 300))
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseTXT(strings.Split(text, "\n"))
		if err != nil {
			return
		}
		again, err := parseTXT(Own{ID: a.id, Name: a.name, Version: a.version}.txt())
		if err != nil || again != a {
			t.Errorf("got %+v, %v after a round trip of %+v", again, err, a)
		}
	})
}

// FuzzAvahi reads a service as Avahi describes it.
func FuzzAvahi(f *testing.F) {
	f.Add(int32(2), int32(0), "bob", ServiceType, "local", "host.local", "192.168.0.2", uint16(7450),
		"id="+idOf("bob").String(), uint8(11))
	f.Add(int32(2), int32(1), "bob", ServiceType, "local", "host.local", "fe80::2", uint16(7450), "id=", uint8(11))
	f.Add(int32(-1), int32(9), "", "_http._tcp", "", "", "fe80::2%eth1", uint16(0), "", uint8(3))
	f.Fuzz(func(t *testing.T, index, protocol int32, name, kind, domain, host, address string, port uint16, txt string,
		values uint8) {
		avahi := &fakeAvahi{state: avahiRunning}
		a := startFake(t, avahi)
		found := []any{index, protocol, name, kind, domain, host, protocol, address, port, [][]byte{[]byte(txt)},
			uint32(0)}
		item := []any{index, protocol, name, kind, domain, uint32(0)}
		a.signal(t, a.browser, avahiBrowser+".ItemNew", item[:min(int(values), len(item))]...)
		for path := range a.keys {
			a.signal(t, path, avahiResolver+".Found", found[:min(int(values), len(found))]...)
			a.signal(t, path, avahiResolver+".Found", append([]any{values}, found[1:]...)...)
		}
		check(t, a.table)
		a.signal(t, a.group, avahiGroup+".StateChanged", item[:min(int(values), len(item))]...)
		a.signal(t, "/", avahiServer+".StateChanged", found[:min(int(values), len(found))]...)
		a.signal(t, a.browser, avahiBrowser+".ItemRemove", item...)
		if len(a.table.list()) != 0 || len(a.keys) != 0 {
			t.Errorf("after ItemRemove: %v, %v", a.table.list(), a.keys)
		}
	})
}
