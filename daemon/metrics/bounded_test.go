package metrics

import (
	"errors"
	"net"
	"testing"

	"golang.org/x/net/netutil"
)

// Who says nothing must not hold up the end, nor a move to another address.
func TestAListenerThatIsFullCanBeClosed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := netutil.LimitListener(l, maxReaders)
	for range maxReaders {
		silent, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
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
		t.Errorf("it ended with %v", err)
	}
}
