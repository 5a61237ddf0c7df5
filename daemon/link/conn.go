package link

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// conn is a TCP connection that ends by itself: when nothing is heard for deadAfter, or nothing can be written for
// stallAfter. During the handshake a single deadline for all of it is set from outside instead.
type conn struct {
	net.Conn

	mu    sync.Mutex
	fixed bool // the last deadline is set; nothing must move it
	alive bool // the handshake is over
}

// unsentLimit bounds what the kernel holds of our pictures but has not sent yet (TCP_NOTSENT_LOWAT, tcp(7)), so that the
// newest picture is chosen as late as possible.
const unsentLimit = 64 << 10

func newConn(c net.Conn) *conn {
	if t, ok := c.(*net.TCPConn); ok {
		if raw, err := t.SyscallConn(); err == nil {
			// Without it the link works, only later on a slow network; a kernel that has no such option is older than 3.12.
			_ = raw.Control(func(fd uintptr) {
				_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentLimit)
			})
		}
	}
	return &conn{Conn: c}
}

// watch begins the watch for silence, after the handshake.
func (c *conn) watch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.fixed {
		c.alive = true
		_ = c.Conn.SetDeadline(time.Time{})
	}
}

// endBy sets the last deadline.
func (c *conn) endBy(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fixed = true
	_ = c.Conn.SetDeadline(t)
}

// SetWriteDeadline is for crypto/tls, which gives its close_notify five seconds of its own: where the last deadline is
// set, that one stays.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fixed {
		return nil
	}
	return c.Conn.SetWriteDeadline(t)
}

func (c *conn) Read(b []byte) (int, error) {
	c.mu.Lock()
	if c.alive && !c.fixed {
		_ = c.Conn.SetReadDeadline(time.Now().Add(deadAfter))
	}
	c.mu.Unlock()
	n, err := c.Conn.Read(b)
	return n, c.explain(err, ErrDead, deadAfter)
}

// Write gives up when nothing of b could be handed to the kernel for stallAfter, however long all of it takes.
func (c *conn) Write(b []byte) (int, error) {
	done, moved := 0, time.Now()
	for {
		began := time.Now()
		watched := c.limitWrite(began.Add(stallAfter / 4))
		n, err := c.Conn.Write(b[done:])
		if done += n; n > 0 {
			moved = began
		}
		if !watched || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(moved) >= stallAfter {
			return done, c.explain(err, ErrSlow, stallAfter)
		}
	}
}

// limitWrite sets the deadline of the next write, if it is the watch that sets it.
func (c *conn) limitWrite(t time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.alive || c.fixed {
		return false
	}
	_ = c.Conn.SetWriteDeadline(t)
	return true
}

// explain says what a deadline of the watch that has passed means; in the handshake, and at the end, it means something else.
func (c *conn) explain(err, meaning error, limit time.Duration) error {
	if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.alive || c.fixed {
		return err
	}
	return fmt.Errorf("%w for %v: %w", meaning, limit, err)
}
