// Package resolve turns a configured address into those that can be dialled.
package resolve

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

const (
	maxAddresses    = 8                     // of one peer
	resolutionDelay = 50 * time.Millisecond // how long one family waits for the other (RFC 8305, section 3)
)

// LookupFunc asks for the addresses of a host in one family.
type LookupFunc func(ctx context.Context, host string, v4 bool) ([]netip.Addr, error)

// Addresses gives the addresses that a configured one stands for; itself, if there is no name in it.
func Addresses(ctx context.Context, look LookupFunc, address string) ([]string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return []string{address}, nil // the dialler says what is wrong with it
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return []string{address}, nil
	}
	six, four, err := lookUp(ctx, look, host)
	if len(six)+len(four) == 0 {
		return nil, fmt.Errorf("find %s: %w", address, err)
	}
	var all []string
	for _, a := range interleave(six, four) {
		all = append(all, net.JoinHostPort(a.Unmap().String(), port))
	}
	return all[:min(len(all), maxAddresses)], nil
}

// lookUp asks for both families at once. Once one is known, the other has resolutionDelay left.
func lookUp(ctx context.Context, look LookupFunc, host string) (six, four []netip.Addr, err error) {
	type answer struct {
		v4    bool
		found []netip.Addr
		err   error
	}
	answers := make(chan answer, 2)
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	for _, v4 := range []bool{false, true} {
		asking.Go(func() {
			found, err := look(ctx, host, v4)
			answers <- answer{v4, found, err}
		})
	}
	var late <-chan time.Time
	for range cap(answers) {
		select {
		case a := <-answers:
			if a.v4 {
				four = a.found
			} else {
				six = a.found
			}
			if a.err != nil {
				err = a.err
			} else {
				late = time.After(resolutionDelay)
			}
		case <-late:
			return six, four, nil
		}
	}
	return six, four, err
}

// interleave lets the families take turns, so that one that is broken costs one try at a time (RFC 8305, section 4).
func interleave(six, four []netip.Addr) (all []netip.Addr) {
	for i := range max(len(six), len(four)) {
		all = append(all, six[min(i, len(six)):min(i+1, len(six))]...)
		all = append(all, four[min(i, len(four)):min(i+1, len(four))]...)
	}
	return all
}

// Lookup asks Avahi for names in .local, and the system's resolver for all others and for what Avahi does not know.
func Lookup(ctx context.Context, host string, v4 bool) ([]netip.Addr, error) {
	name := strings.TrimSuffix(host, ".")
	if strings.HasSuffix(strings.ToLower(name), ".local") {
		if a, err := askAvahi(ctx, avahiSocket, name, v4); err == nil {
			return []netip.Addr{a}, nil
		}
	}
	if v4 {
		return net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip6", host)
}
