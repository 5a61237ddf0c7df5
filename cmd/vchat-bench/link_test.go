package main

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// received sends n datagrams, no more than fit a socket's buffer, and returns
// how many arrived.
func received(t *testing.T, from, to *namespace, addr string, n int) (came int) {
	t.Helper()
	var in net.PacketConn
	var out net.Conn
	// Not a fixed port: a child that has not executed its program yet keeps a
	// closed socket of its parent open, and with it the port.
	if err := to.do(func() (err error) { in, err = net.ListenPacket("udp4", addr+":0"); return err }); err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	dial := func() (err error) { out, err = net.Dial("udp4", in.LocalAddr().String()); return err }
	if err := from.do(dial); err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	b := make([]byte, 2000)
	for range n {
		if _, err := out.Write(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	// Long enough for any machine; only dropped datagrams run into the
	// deadline.
	for in.SetReadDeadline(time.Now().Add(2*time.Second)) == nil && came < n {
		if _, _, err := in.ReadFrom(b); err != nil {
			break
		}
		came++
	}
	return came
}

func TestLinks(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces require root")
	}
	lossy := conditions{delay: 2 * time.Millisecond, jitter: time.Millisecond, loss: 0.5}
	for _, tt := range []struct {
		name string
		conditions
		least, most int // of 60 datagrams to the client
	}{
		{"plain", conditions{}, 60, 60},
		{"tbf", conditions{rate: 80e6, queue: time.Second}, 60, 60},
		{"netem", lossy, 10, 50},
		{"tbf, short queue", conditions{rate: 8e6, queue: 10 * time.Millisecond}, 5, 50},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l, err := newLink(t.Context(), tt.conditions)
			if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOENT) || errors.Is(err, errNoQdisc) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer l.close()
			if n := received(t, l.client, l.server, serverAddr, 5); n != 5 {
				t.Errorf("server received %d of 5 datagrams, want 5", n)
			}
			if n := received(t, l.server, l.client, clientAddr, 60); n < tt.least || n > tt.most {
				t.Errorf("client received %d of 60 datagrams, want %d to %d", n, tt.least, tt.most)
			}
			for _, off := range []bool{true, false} {
				if err := l.cut(off); err != nil {
					t.Fatal(err)
				}
				if n := received(t, l.client, l.server, serverAddr, 5); (n == 0) != off {
					t.Errorf("cut %v: server received %d of 5 datagrams", off, n)
				}
			}
		})
	}
}
