package transport

import (
	"context"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxSegment bounds the TCP segments of a connection over the internet, in
// bytes, in both directions. Many lines carry less than 1500 bytes in a packet.
// Where a router drops the ICMP message that says so, larger segments disappear
// (RFC 2923, section 2.1). Each network carries packets of 1280 bytes, see RFC
// 8200, section 5: less the headers of IPv6 and TCP.
const maxSegment = 1280 - 40 - 20

// Dial connects to "IP:port".
func Dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Control: func(_, address string, c syscall.RawConn) error {
		if !isFar(address) {
			return nil
		}
		// On an error the path must be as good as it says.
		return c.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, maxSegment)
		})
	}}
	return d.DialContext(ctx, network, address)
}

// isFar reports whether an address is on the internet. The interfaces of local
// networks and VPNs say how large their packets may be.
func isFar(address string) bool {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return false
	}
	ip := a.Addr().Unmap()
	return ip.IsGlobalUnicast() && !ip.IsPrivate()
}
