package discovery

import (
	"net"
	"net/netip"
	"slices"
	"time"

	"vchat/daemon/identity"
)

// Device is a device that announces itself. Any host on the network can
// announce anything: only a connection proves an id.
type Device struct {
	ID        identity.ID
	Name      string           // as it calls itself; clean, at most 64 bytes, may be empty
	Version   int              // of its protocol; 0: not announced
	Addresses []netip.AddrPort // 1 to 8; link-local ones have a zone
	Since     time.Time        // when it was first seen
}

func (d Device) equal(other Device) bool {
	return d.Name == other.Name && d.Version == other.Version && slices.Equal(d.Addresses, other.Addresses)
}

// netInterface is a network interface and its addresses.
type netInterface struct {
	index    int
	name     string
	prefixes []netip.Prefix
}

const maxInterfaces = 16

// usable returns the interfaces that can carry multicast, at most
// maxInterfaces. Loopback is one of them only in tests: no other device is
// there.
func usable(loopback bool) (all []netInterface, err error) {
	found, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, i := range found {
		isLoopback := i.Flags&net.FlagLoopback != 0
		if i.Flags&net.FlagUp == 0 || isLoopback != loopback ||
			!loopback && (i.Flags&net.FlagMulticast == 0 || i.Flags&net.FlagPointToPoint != 0) {
			continue
		}
		if x := describe(i); len(x.prefixes) > 0 && len(all) < maxInterfaces {
			all = append(all, x)
		}
	}
	return all, nil
}

func describe(i net.Interface) netInterface {
	x := netInterface{index: i.Index, name: i.Name}
	addresses, _ := i.Addrs()
	for _, a := range addresses {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			x.prefixes = append(x.prefixes, netip.PrefixFrom(p.Addr().Unmap(), p.Bits()))
		}
	}
	return x
}

// accept returns an announced address as it can be dialled. It refuses those
// that no device on a local network has: an announcement must not make this
// device connect to the Internet.
func (i netInterface) accept(a netip.Addr) (netip.Addr, bool) {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() {
		return a, false
	}
	if a.Is6() && a.IsLinkLocalUnicast() {
		return a.WithZone(i.name), i.name != ""
	}
	onLink := slices.ContainsFunc(i.prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
	if a.IsLoopback() {
		return a, onLink // only in tests: of the loopback interface
	}
	return a, onLink || a.IsPrivate() || a.IsLinkLocalUnicast()
}
