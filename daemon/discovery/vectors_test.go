package discovery

import (
	"encoding/hex"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The packets are those of PROTOCOL.md, section 14.
func TestVectors(t *testing.T) {
	own := Own{ID: idOf("vector"), Name: "kitchen", Version: 1, Port: 7450}
	mine := records{instance: own.instance(1), host: own.host(), port: own.Port, txt: own.txt(),
		addresses: []netip.Addr{address("192.168.1.20"), address("fe80::20")}}
	for name, build := range map[string]func() ([]byte, error){
		"announcement": func() ([]byte, error) { return mine.response(false) },
		"goodbye":      func() ([]byte, error) { return mine.response(true) },
		"probe":        mine.probe,
		"query":        func() ([]byte, error) { return query(nil, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			got, err := build()
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", "vectors", name)
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("%v; the packet is\n%s", err, hex.EncodeToString(got))
			}
			if want := strings.TrimSpace(string(text)); hex.EncodeToString(got) != want {
				t.Errorf("got\n%s\nwant\n%s", hex.EncodeToString(got), want)
			}
			if name != "announcement" {
				return
			}
			m, err := parseMessage(got)
			if err != nil {
				t.Fatal(err)
			}
			s := m.services[strings.ToLower(mine.instance)+"."+serviceName]
			if s == nil || s.port != 7450 || s.host != own.host() || s.ttl != hostTTL*time.Second {
				t.Fatalf("got the service %+v", s)
			}
			if a, err := parseTXT(s.txt); err != nil || a != (announced{own.ID, "kitchen", 1}) {
				t.Errorf("got %+v, %v", a, err)
			}
			if h := m.hosts[own.host()]; h == nil || len(h.addresses) != 2 {
				t.Errorf("got the host %+v", h)
			}
		})
	}
}
