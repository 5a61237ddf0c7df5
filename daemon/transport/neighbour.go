package transport

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// NeighbourTime is how long we vouch for a neighbour.
const NeighbourTime = 5 * time.Minute

const msgProbe = 0x10 // MSG_PROBE of linux/socket.h

// KeepNeighbour tells the kernel that the hardware address of where a link was is still good (MSG_CONFIRM of sendto(2);
// with MSG_PROBE nothing is sent). Without that the kernel forgets it some ten to sixty seconds into a cut, and after that
// asks for it once a second only: so long the first SYN would wait when the network is back. If the address is another one
// now, its new owner's own question for ours corrects it (arp(7)), and after NeighbourTime the kernel is left alone.
//
// What fails costs no more than that second.
func KeepNeighbour(address string) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err // it is none of IP
	}
	family, where := unix.AF_INET6, unix.Sockaddr(nil)
	if ip := to.Addr().Unmap(); ip.Is4() {
		family, where = unix.AF_INET, &unix.SockaddrInet4{Port: int(to.Port()), Addr: ip.As4()}
	} else {
		where = &unix.SockaddrInet6{Port: int(to.Port()), Addr: ip.As16(), ZoneId: zone(ip.Zone())}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("vouch for a neighbour: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, nil, unix.MSG_CONFIRM|msgProbe, where); err != nil {
		return fmt.Errorf("vouch for a neighbour: %w", err)
	}
	return nil
}

// zone gives the number of an interface that an IPv6 address is bound to, by name or number; 0 for none.
func zone(name string) uint32 {
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n)
	}
	if i, err := net.InterfaceByName(name); err == nil {
		return uint32(i.Index)
	}
	return 0
}
