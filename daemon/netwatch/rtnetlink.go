package netwatch

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// tracker remembers interfaces and addresses, so that it can tell a change from
// a repeated message.
type tracker struct {
	interfaces map[int32]uint32  // flags by index
	addresses  map[string]uint32 // flags by the bytes that identify the address
}

const maxTracked = 1024 // in each map

func newTracker() *tracker {
	return &tracker{interfaces: map[int32]uint32{}, addresses: map[string]uint32{}}
}

// update parses one datagram and reports whether any of its messages may affect
// a connection. It stops at a message that is truncated or malformed.
func (t *tracker) update(b []byte) (changed bool) {
	for len(b) >= unix.SizeofNlMsghdr {
		size, kind := int(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint16(b[4:])
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return changed
		}
		body := b[unix.SizeofNlMsghdr:size]
		switch kind {
		case unix.RTM_NEWLINK, unix.RTM_DELLINK:
			changed = t.link(body, kind == unix.RTM_NEWLINK) || changed
		case unix.RTM_NEWADDR, unix.RTM_DELADDR:
			changed = t.address(body, kind == unix.RTM_NEWADDR) || changed
		case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
			changed = isUnicastRoute(body) || changed
		}
		b = b[min(align(size), len(b)):]
	}
	return changed
}

// usableFlags are those that decide whether an interface carries packets.
const usableFlags = unix.IFF_UP | unix.IFF_RUNNING | unix.IFF_LOWER_UP

// link parses struct ifinfomsg and reports a change.
func (t *tracker) link(b []byte, added bool) bool {
	if len(b) < unix.SizeofIfInfomsg || b[0] != unix.AF_UNSPEC { // AF_BRIDGE and others
		return false
	}
	index, flags := int32(binary.NativeEndian.Uint32(b[4:])), binary.NativeEndian.Uint32(b[8:])&usableFlags
	before, known := t.interfaces[index]
	if !added {
		delete(t.interfaces, index)
		return before != 0 || !known
	}
	if !known && len(t.interfaces) >= maxTracked {
		clear(t.interfaces)
	}
	t.interfaces[index] = flags
	return !known || before != flags
}

// unusableFlags mark an address that cannot be used.
const unusableFlags = unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED

// address parses struct ifaddrmsg with its attributes and reports a change.
func (t *tracker) address(b []byte, added bool) bool {
	if len(b) < unix.SizeofIfAddrmsg {
		return false
	}
	flags, key := uint32(b[2]), string(b[:2])+string(b[4:8]) // without flags and scope
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
	flags &= unusableFlags
	before, known := t.addresses[key]
	if !added {
		delete(t.addresses, key)
		return true
	}
	if !known && len(t.addresses) >= maxTracked {
		clear(t.addresses)
	}
	t.addresses[key] = flags
	return !known || before != flags
}

// isUnicastRoute parses struct rtmsg and reports whether the route may affect a
// connection. The kernel derives the table "local" from the addresses; cloned
// routes are its cache.
func isUnicastRoute(b []byte) bool {
	if len(b) < unix.SizeofRtMsg {
		return false
	}
	table, kind, flags := b[4], b[7], binary.NativeEndian.Uint32(b[8:])
	return table != unix.RT_TABLE_LOCAL && kind == unix.RTN_UNICAST && flags&unix.RTM_F_CLONED == 0
}

// align rounds up to the start of the next message or attribute.
func align(size int) int { return (size + unix.NLMSG_ALIGNTO - 1) &^ (unix.NLMSG_ALIGNTO - 1) }
