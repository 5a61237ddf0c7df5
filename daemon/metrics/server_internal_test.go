package metrics

import (
	"errors"
	"net"
	"testing"

	"golang.org/x/net/netutil"
)

// Close of a full LimitListener ends Accept: idle clients must not delay the
// end of the server or a new address.
func TestLimitListener_closeWhenFull(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := netutil.LimitListener(l, maxClients)
	for range maxClients {
		idle, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer idle.Close()
		c, err := b.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	ended := make(chan error, 1)
	go func() { _, err := b.Accept(); ended <- err }()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: got %v, want net.ErrClosed", err)
	}
}
