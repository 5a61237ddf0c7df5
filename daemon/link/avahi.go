package link

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

// locate replaces a name in .local by what Avahi knows of it. Where that is nothing, the address stays as it is, and the
// dialler says what is wrong with it.
func locate(ctx context.Context, socket, address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil || !strings.HasSuffix(strings.ToLower(strings.TrimSuffix(host, ".")), ".local") {
		return address
	}
	ip, err := askAvahi(ctx, socket, strings.TrimSuffix(host, "."))
	if err != nil {
		return address
	}
	return net.JoinHostPort(ip, port)
}

func askAvahi(ctx context.Context, socket, host string) (ip string, err error) {
	if strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' }) {
		return "", fmt.Errorf("impossible name %q", host)
	}
	ctx, cancel := context.WithTimeout(ctx, avahiTime)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return "", fmt.Errorf("ask Avahi: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := fmt.Fprintf(conn, "RESOLVE-HOSTNAME %s\n", host); err != nil {
		return "", fmt.Errorf("ask Avahi: %w", err)
	}
	line, err := bufio.NewReader(io.LimitReader(conn, 1024)).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("ask Avahi: %w", err)
	}
	// "+ INTERFACE PROTOCOL NAME ADDRESS", or "-CODE what is wrong".
	answer := strings.Fields(line)
	if len(answer) != 5 || answer[0] != "+" {
		return "", fmt.Errorf("ask Avahi: %q", line)
	}
	a, err := netip.ParseAddr(answer[4])
	if err != nil {
		return "", fmt.Errorf("ask Avahi: %w", err)
	}
	if a.Is6() && a.IsLinkLocalUnicast() {
		a = a.WithZone(answer[1]) // such an address means nothing without its interface
	}
	return a.String(), nil
}
