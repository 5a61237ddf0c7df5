// Package resolve turns a configured address, "host:port", into addresses to
// dial.
//
// Guarantees:
//   - IPv6 and IPv4 take turns in the result, IPv6 first (RFC 8305).
//   - Once one family has addresses, the other one has 50 ms to answer.
//   - Avahi, if it runs, resolves names in .local. Without cgo the resolver of
//     package net does not know them.
//   - A name with non-ASCII letters is converted for DNS (RFC 5891).
//   - A link-local address has the zone of an existing network interface.
//     Without a zone, connect(2) fails with EINVAL.
//   - The result has at most 8 addresses.
//
// Addresses starts two goroutines and waits for both.
//
//	"workshop.local:7450" ─▶ Addresses ─┬─ LookupFunc, IPv6 ─┬─▶ "[fd00::7]:7450"
//	                                    └─ LookupFunc, IPv4 ─┘   "192.0.2.7:7450"
package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/idna"
)

const (
	maxAddresses    = 8
	resolutionDelay = 50 * time.Millisecond // for the second family (RFC 8305, section 3)
)

// LookupFunc returns the addresses of a host in one family, or an error if
// there are none. It may be called concurrently.
type LookupFunc func(ctx context.Context, host string, v4 bool) ([]netip.Addr, error)

// ErrNoZone means that a link-local address does not name its network
// interface.
var ErrNoZone = errors.New("link-local address without a network interface")

// ErrNoInterface means that the zone of an address names no network interface
// that exists now.
var ErrNoInterface = errors.New("no such network interface")

// CheckZone returns an error that wraps ErrNoZone or ErrNoInterface for an IPv6
// address that the kernel would reject because of its zone. It accepts host
// names.
func CheckZone(host string) error {
	a, err := netip.ParseAddr(host)
	if err != nil || !isLinkLocal(a) {
		return nil
	}
	if a.Zone() == "" {
		return fmt.Errorf("%w: %s", ErrNoZone, host)
	}
	if _, err := net.InterfaceByName(a.Zone()); err == nil {
		return nil
	}
	if index, err := strconv.Atoi(a.Zone()); err == nil {
		if _, err := net.InterfaceByIndex(index); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%w: %s", ErrNoInterface, a.Zone())
}

// ErrOnion means that a name is one of Tor, which only a proxy resolves.
var ErrOnion = errors.New("names in .onion need a proxy")

// isOnion reports whether host is a name of Tor. It is not looked up (RFC 7686,
// section 2): the query would tell others which service is called.
func isOnion(host string) bool {
	return strings.HasSuffix(strings.ToLower(strings.TrimSuffix(host, ".")), ".onion")
}

// isLinkLocal reports whether an address needs a zone.
func isLinkLocal(a netip.Addr) bool {
	return a.Is6() && !a.Is4In6() &&
		(a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() || a.IsInterfaceLocalMulticast())
}

// Addresses resolves address, "host:port", to addresses to dial, each
// "IP:port". An address without a host name is returned unchanged, and so is a
// malformed one: the dialer reports what is wrong with it. Errors come from
// CheckZone and from lookup, or are ErrOnion.
func Addresses(ctx context.Context, lookup LookupFunc, address string) ([]string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return []string{address}, nil
	}
	if _, err := netip.ParseAddr(host); err == nil {
		if err := CheckZone(host); err != nil {
			return nil, fmt.Errorf("connect to %s: %w", address, err)
		}
		return []string{address}, nil
	}
	if isOnion(host) {
		return nil, fmt.Errorf("resolve %s: %w", address, ErrOnion)
	}
	v6, v4, err := bothFamilies(ctx, lookup, host)
	if len(v6)+len(v4) == 0 {
		return nil, fmt.Errorf("resolve %s: %w", address, err)
	}
	var all []string
	for _, a := range interleave(v6, v4) {
		if a.Zone() == "" && isLinkLocal(a) {
			err = fmt.Errorf("%w: %s", ErrNoZone, a) // DNS has no zones
			continue
		}
		all = append(all, net.JoinHostPort(a.Unmap().String(), port))
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("resolve %s: %w", address, err)
	}
	return all[:min(len(all), maxAddresses)], nil
}

// bothFamilies looks up both families at once. After the first answer, the
// other family has resolutionDelay to answer.
func bothFamilies(ctx context.Context, lookup LookupFunc, host string) (v6, v4 []netip.Addr, err error) {
	type answer struct {
		v4    bool
		found []netip.Addr
		err   error
	}
	answers := make(chan answer, 2)
	ctx, cancel := context.WithCancel(ctx)
	var lookups sync.WaitGroup
	defer lookups.Wait()
	defer cancel()
	for _, isV4 := range []bool{false, true} {
		lookups.Go(func() {
			found, err := lookup(ctx, host, isV4)
			answers <- answer{isV4, found, err}
		})
	}
	var expired <-chan time.Time
	for range cap(answers) {
		select {
		case a := <-answers:
			if a.v4 {
				v4 = a.found
			} else {
				v6 = a.found
			}
			if a.err != nil {
				err = a.err
			} else {
				expired = time.After(resolutionDelay)
			}
		case <-expired:
			return v6, v4, nil
		}
	}
	return v6, v4, err
}

// interleave alternates the families, so that a broken one costs one attempt at
// a time (RFC 8305, section 4).
func interleave(v6, v4 []netip.Addr) (all []netip.Addr) {
	for i := range max(len(v6), len(v4)) {
		all = append(all, v6[min(i, len(v6)):min(i+1, len(v6))]...)
		all = append(all, v4[min(i, len(v4)):min(i+1, len(v4))]...)
	}
	return all
}

// Lookup is the LookupFunc of the system. It asks Avahi for names in .local. It
// asks the resolver of package net for all other names, and for those that
// Avahi does not know.
func Lookup(ctx context.Context, host string, v4 bool) ([]netip.Addr, error) {
	name := strings.TrimSuffix(host, ".")
	if strings.HasSuffix(strings.ToLower(name), ".local") {
		// Unconverted: names of mDNS are UTF-8 (RFC 6762, section 16).
		if a, err := queryAvahi(ctx, avahiSocket, name, v4); err == nil {
			return []netip.Addr{a}, nil
		}
	}
	ascii, err := idnaProfile.ToASCII(host)
	if err != nil {
		return nil, fmt.Errorf("international name %q: %w", host, err)
	}
	network := "ip6"
	if v4 {
		network = "ip4"
	}
	return net.DefaultResolver.LookupNetIP(ctx, network, ascii)
}

// idnaProfile converts names with non-ASCII letters to ASCII for DNS. Package
// config checks names with the same profile.
var idnaProfile = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.Transitional(false),
	idna.StrictDomainName(false))
