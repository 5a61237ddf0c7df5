package localhttp

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
)

// hostGuard refuses requests whose Host header names another host. A web page
// at a name that its owner points to this host (DNS rebinding) would otherwise
// read the answers as its own.
type hostGuard struct {
	names map[string]bool // in lower case
}

// newHostGuard allows localhost, the names of this host, and the name in the
// configured listen address.
func newHostGuard(listen string) hostGuard {
	g := hostGuard{names: map[string]bool{"localhost": true}}
	if name, err := os.Hostname(); err == nil {
		short, _, _ := strings.Cut(name, ".")
		g.allow(name)
		g.allow(short)
		g.allow(short + ".local") // mDNS
	}
	if name, _, err := net.SplitHostPort(listen); err == nil {
		g.allow(name)
	}
	return g
}

func (g hostGuard) allow(name string) {
	if name != "" {
		g.names[strings.ToLower(name)] = true
	}
}

func (g hostGuard) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !g.allows(r) {
			http.Error(w, "unknown host; use localhost, the address or the name of this device", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// allows reports whether the Host header is an allowed name, or an address of
// this host. The port may differ, as with ssh -L.
func (g hostGuard) allows(r *http.Request) bool {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return g.names[strings.ToLower(host)]
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return addr.IsLoopback() || ok && bare(local.AddrPort().Addr()) == bare(addr)
}

// bare returns an address in its one form without a zone.
func bare(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
