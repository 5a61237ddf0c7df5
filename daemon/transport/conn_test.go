package transport

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vchat/daemon/daemontest/faketime"
)

// crypto/tls gives its close_notify five seconds, which a device that stops does not have.
func TestNothingMovesTheLastDeadline(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		here, there := net.Pipe() // writing blocks until somebody reads
		defer there.Close()
		c := NewConn(here)
		defer c.Close()
		c.Watch()
		const farewellTime = 300 * time.Millisecond
		began := time.Now()
		c.EndBy(began.Add(farewellTime))
		_ = c.SetWriteDeadline(began.Add(5 * time.Second))
		for _, op := range []func([]byte) (int, error){c.Write, c.Read} {
			if _, err := op(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%v, want the deadline exceeded", err)
			}
		}
		if d := time.Since(began); d != farewellTime {
			t.Errorf("it took %v, want %v", d, farewellTime)
		}
	})
}

// The kernel repeats what was not acknowledged for a quarter of an hour, if nobody tells it otherwise.
func TestTheKernelGivesUpWhenWeDo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := NewConn(raw)
	defer c.Abandon()
	socket, err := raw.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := socket.Control(func(fd uintptr) {
		ms, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
		if err != nil || time.Duration(ms)*time.Millisecond != StallAfter {
			t.Errorf("TCP_USER_TIMEOUT is %d ms, %v; want %v", ms, err, StallAfter)
		}
	}); err != nil {
		t.Fatal(err)
	}
}
