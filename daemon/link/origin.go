package link

import (
	"cmp"
	"encoding/binary"
	"iter"
	"net"
	"net/netip"
	"slices"
)

// origin is where a connection comes from: an IPv4 address, or the /64 of an
// IPv6 address, because a household has at least a /64. The zero origin stands
// for an address that is neither.
//
//	bits of IPv6:  the first half of the address
//	bits of IPv4:  the address in the lower 32, as ::/32 has no devices
//	link-local:    fe80 and the lower 48 bits of the address
type origin struct {
	bits   uint64
	global bool // not an address of a home or of a private network
}

// originMasks are the groups of origins, from the largest to the smallest. A
// provider has an IPv6 /32 or more, and gives its customers a /48, /56 or /64.
// The same masks make of IPv4 one group, then /16, /24 and single addresses.
var originMasks = [...]uint64{0, ^uint64(1<<32 - 1), ^uint64(1<<16 - 1), ^uint64(1<<8 - 1), ^uint64(0)}

// group returns the group of o at a level of originMasks.
func (o origin) group(level int) origin { return origin{o.bits & originMasks[level], o.global} }

func originOf(a net.Addr) origin {
	ap, err := netip.ParseAddrPort(a.String())
	if t, ok := a.(*net.TCPAddr); ok {
		ap, err = t.AddrPort(), nil
	}
	if err != nil {
		return origin{}
	}
	return originOfIP(ap.Addr())
}

func originOfIP(ip netip.Addr) origin {
	ip = ip.Unmap()
	o := origin{global: !ip.IsPrivate() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast()}
	switch {
	case ip.Is4():
		b := ip.As4()
		o.bits = uint64(binary.BigEndian.Uint32(b[:]))
	case ip.IsLinkLocalUnicast():
		b := ip.As16()
		o.bits = 0xfe80<<48 | binary.BigEndian.Uint64(b[8:])&(1<<48-1)
	default:
		b := ip.As16()
		o.bits = binary.BigEndian.Uint64(b[:8])
	}
	return o
}

// origins returns the origins of addresses with a port.
func origins(addresses []string) (all []origin) {
	for _, a := range addresses {
		if ap, err := netip.ParseAddrPort(a); err == nil {
			all = append(all, originOfIP(ap.Addr()))
		}
	}
	return all
}

func (o origin) compare(other origin) int {
	if o.global != other.global {
		if o.global {
			return 1
		}
		return -1
	}
	return cmp.Compare(o.bits, other.bits)
}

// hasOrigin is something with an origin.
type hasOrigin interface{ from() origin }

// insertByOrigin returns all with x, sorted by origin. Each group is then one
// piece of the slice, which saves a flood's worth of maps.
func insertByOrigin[T hasOrigin](all []T, x T) []T {
	i, _ := slices.BinarySearchFunc(all, x.from(), func(e T, o origin) int { return e.from().compare(o) })
	return slices.Insert(all, i, x)
}

// mostCrowded returns the elements of the group that has the most, and of its
// most crowded part, down to single origins. Groups of equal size stay
// together. all is sorted by origin, and stays unchanged; so is the result.
func mostCrowded[T hasOrigin](all []T) []T {
	for level := range originMasks {
		most := 0
		for group := range groups(all, level) {
			most = max(most, len(group))
		}
		if most == len(all) {
			continue
		}
		crowded := make([]T, 0, len(all))
		for group := range groups(all, level) {
			if len(group) == most {
				crowded = append(crowded, group...)
			}
		}
		all = crowded
	}
	return all
}

// fairChoice returns the elements of a random group, of a random part of that
// group, down to one origin. Each group has the same chance, whatever its size.
// all is sorted by origin. random returns a number in [0, n).
func fairChoice[T hasOrigin](all []T, random func(n int) int) []T {
	for level := range originMasks {
		n := 0
		for range groups(all, level) {
			n++
		}
		chosen := random(n)
		for group := range groups(all, level) {
			if chosen--; chosen < 0 {
				all = group
				break
			}
		}
	}
	return all
}

// groups yields the groups of a level, each a part of all.
func groups[T hasOrigin](all []T, level int) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		for len(all) > 0 {
			n, group := 1, all[0].from().group(level)
			for n < len(all) && all[n].from().group(level) == group {
				n++
			}
			if !yield(all[:n]) {
				return
			}
			all = all[n:]
		}
	}
}
