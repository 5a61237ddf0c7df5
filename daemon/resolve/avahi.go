package resolve

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"
)

// avahiSocket is the socket of avahi-daemon's simple protocol: one line each
// way. nss-mdns uses it, too.
const avahiSocket = "/run/avahi-daemon/socket"

const avahiTimeout = 2 * time.Second

// queryAvahi returns the address of a host in one family. Avahi returns one,
// however many the host has.
func queryAvahi(ctx context.Context, socket, host string, v4 bool) (a netip.Addr, err error) {
	if strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' }) {
		return a, fmt.Errorf("invalid host name %q", host)
	}
	ctx, cancel := context.WithTimeout(ctx, avahiTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return a, fmt.Errorf("query Avahi: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	command := "RESOLVE-HOSTNAME-IPV6"
	if v4 {
		command = "RESOLVE-HOSTNAME-IPV4"
	}
	if _, err := fmt.Fprintf(conn, "%s %s\n", command, host); err != nil {
		return a, fmt.Errorf("query Avahi: %w", err)
	}
	line, err := bufio.NewReader(io.LimitReader(conn, 1024)).ReadString('\n')
	if err != nil {
		return a, fmt.Errorf("query Avahi: %w", err)
	}
	return parseAvahiReply(line, v4)
}

// parseAvahiReply parses "+ INTERFACE PROTOCOL NAME ADDRESS", or "-CODE
// message".
func parseAvahiReply(line string, v4 bool) (netip.Addr, error) {
	var a netip.Addr
	fields := strings.Fields(line)
	if len(fields) != 5 || fields[0] != "+" {
		return a, fmt.Errorf("query Avahi: %q", line)
	}
	a, err := netip.ParseAddr(fields[4])
	if err != nil {
		return a, fmt.Errorf("query Avahi: %w", err)
	}
	a = a.WithZone("")
	if a.Is4() != v4 {
		return netip.Addr{}, fmt.Errorf("query Avahi: %q is of the other family", line)
	}
	if a.Is6() && a.IsLinkLocalUnicast() {
		a = a.WithZone(fields[1]) // a link-local address needs its interface
	}
	return a, nil
}
