package localhttp

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// FuzzHost checks any Host header. Only addresses and configured names pass.
func FuzzHost(f *testing.F) {
	for _, host := range []string{"localhost", "kitchen:7451", "[::1]:80", "[fe80::1%eth0]", "127.0.0.1",
		"evil.example",
		"localhost.evil.example", "kitchen\x00.example", "[localhost]", "", "::", "127.1"} {
		f.Add(host)
	}
	g := newHostGuard("Kitchen:7451")
	f.Fuzz(func(t *testing.T, host string) {
		if !g.allows(&http.Request{Host: host}) {
			return
		}
		name := strings.ToLower(host)
		for allowed := range g.names {
			if rest, ok := strings.CutPrefix(strings.TrimPrefix(name, "["), allowed); ok &&
				(rest == "" || strings.HasPrefix(rest, ":") || strings.HasPrefix(rest, "]")) {
				return
			}
		}
		for _, text := range []string{host, strings.Trim(host, "[]"), host[:max(strings.LastIndexByte(host, ':'), 0)]} {
			if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil && a.IsLoopback() {
				return
			}
		}
		t.Errorf("host %q is allowed", host)
	})
}
