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

// crypto/tls allows its close_notify five seconds. A device that shuts down
// does not have them.
func TestLiveness_keepsFinalDeadline(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		const final = 300 * time.Millisecond
		here, there := net.Pipe() // a write blocks until the other end reads
		defer there.Close()
		c := newLiveness(here)
		defer c.Close()
		c.start(c.options)
		began := time.Now()
		c.setFinalDeadline(began.Add(final))
		_ = c.SetWriteDeadline(began.Add(5 * time.Second))
		for name, op := range map[string]func([]byte) (int, error){"Write": c.Write, "Read": c.Read} {
			if _, err := op(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: got %v, want an exceeded deadline", name, err)
			}
		}
		if d := time.Since(began); d != final {
			t.Errorf("got %v, want %v", d, final)
		}
	})
}

func TestLiveness_limitsRetransmission(t *testing.T) {
	here, _ := tcpPair(t)
	defer newLiveness(here).abort()
	raw, err := here.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		ms, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
		if err != nil || time.Duration(ms)*time.Millisecond != WriteTimeout {
			t.Errorf("TCP_USER_TIMEOUT: got %d ms, %v; want %v", ms, err, WriteTimeout)
		}
	}); err != nil {
		t.Fatal(err)
	}
}
