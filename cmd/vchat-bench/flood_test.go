package main

import (
	"crypto/tls"
	"net/netip"
	"testing"
)

func TestSources(t *testing.T) {
	all, err := sources("2001:db8:5::/48,203.0.113.7/32")
	if err != nil || len(all) != 5000 {
		t.Fatalf("got %d addresses, %v; want 5000", len(all), err)
	}
	prefix, distinct := netip.MustParsePrefix("2001:db8:5::/48"), map[netip.Addr]bool{}
	for i, a := range all {
		if distinct[a] = true; i < 2500 && !prefix.Contains(a) {
			t.Errorf("got %v, want an address of %v", a, prefix)
		}
	}
	if n := len(distinct); n != 2501 || !distinct[netip.MustParseAddr("203.0.113.7")] {
		t.Errorf("got %d different addresses, want 2500 and the single one", n)
	}
	if _, err := sources("203.0.113.7"); err == nil {
		t.Error("no prefix: got no error, want one")
	}
}

// crypto/tls reads the long ClientHello to its end.
func TestLongHello(t *testing.T) {
	f, err := newFlood("1", "suites", "203.0.113.7/32", 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	hello := f.hellos["suites"]
	if n := len(hello); n < 16<<10 || n > 5+16<<10 {
		t.Errorf("got %d bytes, want one full record", n)
	}
	var got *tls.ClientHelloInfo
	r := &answered{hello: hello}
	_ = tls.Server(r, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		got = h
		return nil, nil
	}}).Handshake() // fails without a certificate
	if got == nil || len(got.CipherSuites) < 1000 {
		t.Errorf("got %+v, want more than a thousand cipher suites", got)
	}
}

// answered is a connection on which a ClientHello arrives.
type answered struct {
	recorder
	hello []byte
}

func (a *answered) Read(b []byte) (int, error) {
	n := copy(b, a.hello)
	a.hello = a.hello[n:]
	return n, nil
}
