package resolve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"vchat/daemon/daemontest/faketime"
)

var errNoHost = errors.New("no such host")

func addresses(all ...string) (found []netip.Addr) {
	for _, a := range all {
		found = append(found, netip.MustParseAddr(a))
	}
	return found
}

func TestResolve(t *testing.T) {
	for _, tt := range []struct {
		name, address   string
		six, four       []netip.Addr
		sixIn, fourIn   time.Duration
		want            []string
		within          time.Duration
		failure         error
		neverLookedItUp bool
	}{
		{name: "no name", address: "192.0.2.1:7450", want: []string{"192.0.2.1:7450"}, neverLookedItUp: true},
		{name: "no name in IPv6", address: "[fe80::1%eth0]:7450", want: []string{"[fe80::1%eth0]:7450"}, neverLookedItUp: true},
		{name: "no port", address: "workshop", want: []string{"workshop"}, neverLookedItUp: true},
		{name: "this host", address: ":7450", want: []string{":7450"}, neverLookedItUp: true},
		{name: "both families take turns", address: "workshop:1", six: addresses("2001:db8::1", "2001:db8::2"), four: addresses("192.0.2.1"),
			want: []string{"[2001:db8::1]:1", "192.0.2.1:1", "[2001:db8::2]:1"}},
		{name: "one family", address: "workshop:1", four: addresses("192.0.2.1", "192.0.2.2"), want: []string{"192.0.2.1:1", "192.0.2.2:1"}},
		{name: "mapped", address: "workshop:1", six: addresses("::ffff:192.0.2.1"), want: []string{"192.0.2.1:1"}},
		{name: "the late one is not waited for", address: "workshop:1", six: addresses("2001:db8::1"), four: addresses("192.0.2.1"),
			sixIn: time.Minute, want: []string{"192.0.2.1:1"}, within: resolutionDelay},
		{name: "a little late", address: "workshop:1", six: addresses("2001:db8::1"), four: addresses("192.0.2.1"),
			sixIn: 10 * time.Millisecond, want: []string{"[2001:db8::1]:1", "192.0.2.1:1"}, within: 10 * time.Millisecond},
		{name: "who has nothing is not waited with", address: "workshop:1", four: addresses("192.0.2.1"), fourIn: time.Second,
			want: []string{"192.0.2.1:1"}, within: time.Second},
		{name: "nobody", address: "workshop:1", failure: errNoHost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			faketime.Test(t, func(t *testing.T) {
				var asked atomic.Bool
				began := time.Now()
				got, err := Addresses(t.Context(), func(ctx context.Context, host string, v4 bool) ([]netip.Addr, error) {
					asked.Store(true)
					found, in := tt.six, tt.sixIn
					if v4 {
						found, in = tt.four, tt.fourIn
					}
					select {
					case <-time.After(in):
					case <-ctx.Done():
					}
					if ctx.Err() != nil {
						return nil, ctx.Err()
					}
					if found == nil {
						return nil, errNoHost
					}
					return found, nil
				}, tt.address)
				if !slices.Equal(got, tt.want) || !errors.Is(err, tt.failure) {
					t.Errorf("got %q, %v; want %q, %v", got, err, tt.want, tt.failure)
				}
				if d := time.Since(began); d != tt.within {
					t.Errorf("it took %v, want %v", d, tt.within)
				}
				if asked.Load() == tt.neverLookedItUp {
					t.Errorf("asked for the name: %v", asked.Load())
				}
			})
		})
	}
}

func TestAddressesAreBounded(t *testing.T) {
	got, err := Addresses(t.Context(), func(_ context.Context, _ string, v4 bool) (found []netip.Addr, _ error) {
		for i := range 500 {
			found = append(found, netip.MustParseAddr(map[bool]string{true: fmt.Sprintf("192.0.2.%d", i%256), false: fmt.Sprintf("2001:db8::%x", i)}[v4]))
		}
		return found, nil
	}, "workshop:1")
	if err != nil || len(got) != maxAddresses {
		t.Errorf("%d addresses, %v; want %d", len(got), err, maxAddresses)
	}
}
