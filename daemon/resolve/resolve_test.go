package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"vchat/daemon/daemontest/faketime"
)

var errNoHost = errors.New("no such host")

func addrs(all ...string) (found []netip.Addr) {
	for _, a := range all {
		found = append(found, netip.MustParseAddr(a))
	}
	return found
}

func TestAddresses(t *testing.T) {
	for _, tt := range []struct {
		name, address    string
		v6, v4           []netip.Addr
		v6Delay, v4Delay time.Duration
		want             []string
		wantTime         time.Duration
		wantErr          error
		noLookup         bool
	}{
		{name: "IPv4 address", address: "192.0.2.1:7450", want: []string{"192.0.2.1:7450"}, noLookup: true},
		{name: "IPv6 address", address: "[fd00::7]:7450", want: []string{"[fd00::7]:7450"}, noLookup: true},
		{name: "link-local", address: "[fe80::1%lo]:7450", want: []string{"[fe80::1%lo]:7450"}, noLookup: true},
		{name: "link-local, by index", address: "[fe80::1%1]:7450", want: []string{"[fe80::1%1]:7450"}, noLookup: true},
		{name: "link-local, no zone", address: "[fe80::1]:7450", wantErr: ErrNoZone, noLookup: true},
		{name: "link-local, no interface", address: "[fe80::1%eth9x]:7450", wantErr: ErrNoInterface, noLookup: true},
		{name: "link-local, no index", address: "[fe80::1%65000]:7450", wantErr: ErrNoInterface, noLookup: true},
		{name: "link-local of DNS", address: "workshop:1", v6: addrs("fe80::1"), v4: addrs("192.0.2.1"),
			want: []string{"192.0.2.1:1"}},
		{name: "only link-local of DNS", address: "workshop:1", v6: addrs("fe80::1"), v4: addrs(),
			wantErr: ErrNoZone},
		{name: "link-local of Avahi", address: "workshop.local:1", v6: addrs("fe80::1%1"), v4: addrs("192.0.2.1"),
			want: []string{"[fe80::1%1]:1", "192.0.2.1:1"}},
		{name: "no port", address: "workshop", want: []string{"workshop"}, noLookup: true},
		{name: "no host", address: ":7450", want: []string{":7450"}, noLookup: true},
		{name: "both families alternate", address: "workshop:1",
			v6: addrs("2001:db8::1", "2001:db8::2"), v4: addrs("192.0.2.1"),
			want: []string{"[2001:db8::1]:1", "192.0.2.1:1", "[2001:db8::2]:1"}},
		{name: "one family", address: "workshop:1", v4: addrs("192.0.2.1", "192.0.2.2"),
			want: []string{"192.0.2.1:1", "192.0.2.2:1"}},
		{name: "IPv4-mapped address", address: "workshop:1", v6: addrs("::ffff:192.0.2.1"),
			want: []string{"192.0.2.1:1"}},
		{name: "slow family", address: "workshop:1", v6: addrs("2001:db8::1"), v4: addrs("192.0.2.1"),
			v6Delay: time.Minute, want: []string{"192.0.2.1:1"}, wantTime: resolutionDelay},
		{name: "slightly slow family", address: "workshop:1", v6: addrs("2001:db8::1"), v4: addrs("192.0.2.1"),
			v6Delay: 10 * time.Millisecond, wantTime: 10 * time.Millisecond,
			want: []string{"[2001:db8::1]:1", "192.0.2.1:1"}},
		{name: "family without addresses", address: "workshop:1", v4: addrs("192.0.2.1"), v4Delay: time.Second,
			want: []string{"192.0.2.1:1"}, wantTime: time.Second},
		{name: "unknown host", address: "workshop:1", wantErr: errNoHost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			faketime.Test(t, func(t *testing.T) {
				var lookedUp atomic.Bool
				began := time.Now()
				lookup := func(ctx context.Context, host string, v4 bool) ([]netip.Addr, error) {
					lookedUp.Store(true)
					found, delay := tt.v6, tt.v6Delay
					if v4 {
						found, delay = tt.v4, tt.v4Delay
					}
					select {
					case <-time.After(delay):
					case <-ctx.Done():
					}
					if ctx.Err() != nil {
						return nil, ctx.Err()
					}
					if found == nil {
						return nil, errNoHost
					}
					return found, nil
				}
				got, err := Addresses(t.Context(), lookup, tt.address)
				if !slices.Equal(got, tt.want) || !errors.Is(err, tt.wantErr) {
					t.Errorf("got %q, %v; want %q, %v", got, err, tt.want, tt.wantErr)
				}
				if d := time.Since(began); d != tt.wantTime {
					t.Errorf("took %v, want %v", d, tt.wantTime)
				}
				if got, want := lookedUp.Load(), !tt.noLookup; got != want {
					t.Errorf("looked up: got %v, want %v", got, want)
				}
			})
		})
	}
}

func TestAddresses_limit(t *testing.T) {
	got, err := Addresses(t.Context(), func(_ context.Context, _ string, v4 bool) (found []netip.Addr, _ error) {
		for i := range 500 {
			a := fmt.Sprintf("2001:db8::%x", i)
			if v4 {
				a = fmt.Sprintf("192.0.2.%d", i%256)
			}
			found = append(found, netip.MustParseAddr(a))
		}
		return found, nil
	}, "workshop:1")
	if err != nil || len(got) != maxAddresses {
		t.Errorf("got %d addresses, %v; want %d", len(got), err, maxAddresses)
	}
}

// Names are sent to DNS in ASCII. ToASCII leaves ASCII names as they are.
func TestIDNAProfile(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"BÜRO.example", "xn--bro-hoa.example"},
		{"例え。テスト", "xn--r8jz45g.xn--zckzah"},
		{"faß.example.", "xn--fa-hia.example."},
		{"Work_shop.local", "work_shop.local"},
		{"xn--bro-hoa.example", "xn--bro-hoa.example"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := idnaProfile.ToASCII(tt.name); got != tt.want || err != nil {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
	var dns *net.DNSError
	_, err := Lookup(t.Context(), "büro.invalid", true)
	if !errors.As(err, &dns) || dns.Name != "xn--bro-hoa.invalid" {
		t.Errorf("got %v, want a DNSError of xn--bro-hoa.invalid", err)
	}
}

// Only a proxy knows names of Tor: they are not looked up.
func TestAddresses_onion(t *testing.T) {
	lookup := func(context.Context, string, bool) ([]netip.Addr, error) {
		t.Error("the name was looked up")
		return nil, nil
	}
	for _, address := range []string{"abcdef.onion:7450", "sub.ABCDEF.Onion:7450", "abcdef.onion.:7450"} {
		if got, err := Addresses(t.Context(), lookup, address); !errors.Is(err, ErrOnion) {
			t.Errorf("%s: got %v, %v, want ErrOnion", address, got, err)
		}
	}
}
