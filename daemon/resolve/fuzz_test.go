package resolve

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// FuzzAvahiReply parses any line of avahi-daemon. An address is of the family
// that was asked for, and can be dialled: only a link-local one has a zone.
func FuzzAvahiReply(f *testing.F) {
	for _, line := range []string{
		"+ 2 0 workshop.local 192.168.1.7\n",
		"+ 2 1 workshop.local fe80::7\n",
		"+ 2 1 workshop.local fe80::7%eth9\n",
		"+ 2 1 workshop.local ::ffff:192.168.1.7\n",
		"+ eth0 1 workshop.local fd00::7\n",
		"-15 Timeout reached\n",
		"+ \x1b[2J 1 workshop.local ff02::1\n",
	} {
		f.Add(line, false)
		f.Add(line, true)
	}
	f.Fuzz(func(t *testing.T, line string, v4 bool) {
		a, err := parseAvahiReply(line, v4)
		if err != nil {
			if a.IsValid() {
				t.Fatalf("got %v with %v", a, err)
			}
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
				t.Fatalf("got a control character in %q", err)
			}
			return
		}
		if a.Is4() != v4 || (a.Zone() != "") != a.IsLinkLocalUnicast() && !a.Is4() {
			t.Fatalf("got %v, v4 %v", a, v4)
		}
		if again, err := netip.ParseAddr(a.String()); err != nil || again != a {
			t.Fatalf("%v: its text yields %v, %v", a, again, err)
		}
	})
}

// lookupAny knows every name, by addresses of all kinds.
func lookupAny(_ context.Context, _ string, v4 bool) ([]netip.Addr, error) {
	if v4 {
		return slices.Repeat([]netip.Addr{netip.MustParseAddr("192.0.2.7")}, 9), nil
	}
	return []netip.Addr{netip.MustParseAddr("fe80::7"), netip.MustParseAddr("fd00::7"),
		netip.MustParseAddr("::ffff:192.0.2.8")}, nil
}

// FuzzAddresses resolves any configured address, with a resolver that knows
// every name.
func FuzzAddresses(f *testing.F) {
	for _, s := range []string{"workshop.local:7450", "[fe80::1%lo]:1", "[fe80::1]:7450", "192.0.2.7:0", ":7450", "",
		"[::ffff:192.0.2.7]:65536", "bücher.example:7450", "a%b:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, address string) {
		all, err := Addresses(t.Context(), lookupAny, address)
		if (err == nil) != (len(all) > 0) || len(all) > maxAddresses {
			t.Fatalf("got %q, %v", all, err)
		}
	})
}
