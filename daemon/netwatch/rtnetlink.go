package netwatch

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// seen is what the kernel has told of interfaces and addresses, so that what it only repeats (statistics of a wireless
// interface, a lifetime that a router advertises anew) is no news. Both maps are bounded.
type seen struct {
	interfaces map[int32]uint32  // their flags
	addresses  map[string]uint32 // by message, without what changes by itself: their flags
}

const maxSeen = 1024

func newSeen() *seen { return &seen{interfaces: map[int32]uint32{}, addresses: map[string]uint32{}} }

// news reads what came in one datagram from the kernel and says whether any of it may matter to a connection. What is cut
// off, or of a length that cannot be, ends the reading.
func (s *seen) news(b []byte) (news bool) {
	for len(b) >= unix.SizeofNlMsghdr {
		size, kind := int(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint16(b[4:])
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return news
		}
		body := b[unix.SizeofNlMsghdr:size]
		switch kind {
		case unix.RTM_NEWLINK, unix.RTM_DELLINK:
			news = s.link(body, kind == unix.RTM_NEWLINK) || news
		case unix.RTM_NEWADDR, unix.RTM_DELADDR:
			news = s.address(body, kind == unix.RTM_NEWADDR) || news
		case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
			news = route(body) || news
		}
		b = b[min(align(size), len(b)):]
	}
	return news
}

// carries are the flags of an interface that decide whether anything goes through it.
const carries = unix.IFF_UP | unix.IFF_RUNNING | unix.IFF_LOWER_UP

// link reads struct ifinfomsg.
func (s *seen) link(b []byte, there bool) bool {
	if len(b) < unix.SizeofIfInfomsg || b[0] != unix.AF_UNSPEC { // others are of bridges and the like
		return false
	}
	index, flags := int32(binary.NativeEndian.Uint32(b[4:])), binary.NativeEndian.Uint32(b[8:])&carries
	before, known := s.interfaces[index]
	if !there {
		delete(s.interfaces, index)
		return before != 0 || !known
	}
	if !known && len(s.interfaces) >= maxSeen {
		clear(s.interfaces)
	}
	s.interfaces[index] = flags
	return !known || before != flags
}

// unusable are the flags of an address that decide whether it can be used.
const unusable = unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED

// address reads struct ifaddrmsg and its attributes.
func (s *seen) address(b []byte, there bool) bool {
	if len(b) < unix.SizeofIfAddrmsg {
		return false
	}
	flags, key := uint32(b[2]), string(b[:2])+string(b[4:8]) // all but flags and scope
	for a := b[unix.SizeofIfAddrmsg:]; len(a) >= unix.SizeofRtAttr; {
		size, kind := int(binary.NativeEndian.Uint16(a)), binary.NativeEndian.Uint16(a[2:])
		if size < unix.SizeofRtAttr || size > len(a) {
			return false
		}
		switch value := a[unix.SizeofRtAttr:size]; {
		case kind == unix.IFA_ADDRESS, kind == unix.IFA_LOCAL:
			key += string(value)
		case kind == unix.IFA_FLAGS && len(value) == 4:
			flags = binary.NativeEndian.Uint32(value)
		}
		a = a[min(align(size), len(a)):]
	}
	flags &= unusable
	before, known := s.addresses[key]
	if !there {
		delete(s.addresses, key)
		return true
	}
	if !known && len(s.addresses) >= maxSeen {
		clear(s.addresses)
	}
	s.addresses[key] = flags
	return !known || before != flags
}

// route reads struct rtmsg. Routes of the table local follow the addresses, and cloned ones are the kernel's cache.
func route(b []byte) bool {
	if len(b) < unix.SizeofRtMsg {
		return false
	}
	table, kind, flags := b[4], b[7], binary.NativeEndian.Uint32(b[8:])
	return table != unix.RT_TABLE_LOCAL && kind == unix.RTN_UNICAST && flags&unix.RTM_F_CLONED == 0
}

// align rounds up to where the next message or attribute begins.
func align(size int) int { return (size + unix.NLMSG_ALIGNTO - 1) &^ (unix.NLMSG_ALIGNTO - 1) }
