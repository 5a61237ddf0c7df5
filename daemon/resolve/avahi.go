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

// avahiSocket is where avahi-daemon answers its simple protocol, one line for one line, as the C library's nss-mdns uses
// it. Programs that are built without cgo, such as this one, do not go through nss and so know no names in .local.
const avahiSocket = "/run/avahi-daemon/socket"

const avahiTime = 2 * time.Second

// askAvahi asks for the address of a host in one family. It knows one of each, however many there are.
func askAvahi(ctx context.Context, socket, host string, v4 bool) (a netip.Addr, err error) {
	if strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' }) {
		return a, fmt.Errorf("impossible name %q", host)
	}
	ctx, cancel := context.WithTimeout(ctx, avahiTime)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return a, fmt.Errorf("ask Avahi: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	question := "RESOLVE-HOSTNAME-IPV6"
	if v4 {
		question = "RESOLVE-HOSTNAME-IPV4"
	}
	if _, err := fmt.Fprintf(conn, "%s %s\n", question, host); err != nil {
		return a, fmt.Errorf("ask Avahi: %w", err)
	}
	line, err := bufio.NewReader(io.LimitReader(conn, 1024)).ReadString('\n')
	if err != nil {
		return a, fmt.Errorf("ask Avahi: %w", err)
	}
	// "+ INTERFACE PROTOCOL NAME ADDRESS", or "-CODE what is wrong".
	answer := strings.Fields(line)
	if len(answer) != 5 || answer[0] != "+" {
		return a, fmt.Errorf("ask Avahi: %q", line)
	}
	if a, err = netip.ParseAddr(answer[4]); err != nil {
		return a, fmt.Errorf("ask Avahi: %w", err)
	}
	if a.Is4() != v4 {
		return a, fmt.Errorf("ask Avahi: %q is of the other family", line)
	}
	if a.Is6() && a.IsLinkLocalUnicast() {
		a = a.WithZone(answer[1]) // such an address means nothing without its interface
	}
	return a, nil
}
