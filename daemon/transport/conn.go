// Package transport is one TCP connection below TLS: it notices silence, and moves bytes in few system calls.
package transport

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Conn is a TCP connection that watches itself: silence first makes it suspect, where that is asked for, and for DeadAfter
// ends it; so does a write that takes longer than StallAfter. During the handshake a single deadline for all of it is set
// from outside instead.
type Conn struct {
	net.Conn
	moves io.ReadWriter // Conn, as cheaply as it can be read and written

	// Set before watch.
	Bytes    *Traffic             // what has passed is counted there
	Patience func() time.Duration // how much silence makes it suspect
	Doubt    func()               // called when that has changed; must return soon

	mu      sync.Mutex
	fixed   bool      // the last deadline is set; nothing must move it
	alive   bool      // the handshake is over
	since   time.Time // we listen, and have heard nothing
	doubtAt time.Time // then it is suspect; zero if it is already
	suspect bool
}

// Traffic counts bytes. It is safe for concurrent use.
type Traffic struct{ In, Out atomic.Uint64 }

// unsentLimit bounds what the kernel holds of our frames but has not sent yet (TCP_NOTSENT_LOWAT, tcp(7)), so that the
// newest frame is chosen as late as possible.
const unsentLimit = 64 << 10

func NewConn(c net.Conn) *Conn {
	moves := io.ReadWriter(c)
	if t, ok := c.(*net.TCPConn); ok {
		if raw, err := t.SyscallConn(); err == nil {
			// Without them the link works, only later on a slow network; a kernel that has no such options is older than 3.12.
			_ = raw.Control(func(fd uintptr) {
				_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentLimit)
				// So that the kernel repeats nothing for longer than we would wait, also what was closed meanwhile (tcp(7)).
				_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(StallAfter.Milliseconds()))
			})
		}
		if u, err := newUnwatched(t); err == nil {
			moves = u
		}
	}
	return &Conn{Conn: c, moves: moves, Bytes: new(Traffic), Patience: func() time.Duration { return DeadAfter }, Doubt: func() {}}
}

// Watch begins the watch for silence, after the handshake.
func (c *Conn) Watch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.fixed {
		c.alive = true
		_ = c.Conn.SetDeadline(time.Time{})
	}
}

// Probe gives the other side no more than SuspectAfter to be heard, for this once.
func (c *Conn) Probe() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := time.Now().Add(SuspectAfter); !c.suspect && !c.since.IsZero() && at.Before(c.doubtAt) {
		c.doubtAt = at
		c.wait()
	}
}

// Suspected says that nothing was heard for long enough to look for another way.
func (c *Conn) Suspected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.suspect
}

// endBy sets the last deadline.
func (c *Conn) EndBy(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fixed = true
	_ = c.Conn.SetDeadline(t)
}

// abandon closes the connection without another word: what waits to be sent would only be in the way of its successor.
func (c *Conn) Abandon() {
	if t, ok := c.Conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Conn.Close()
}

// SetWriteDeadline is for crypto/tls, which gives its close_notify five seconds of its own: where the last deadline is
// set, that one stays.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fixed {
		return nil
	}
	return c.Conn.SetWriteDeadline(t)
}

func (c *Conn) Read(b []byte) (int, error) {
	c.listen()
	for {
		n, err := c.moves.Read(b)
		if n > 0 {
			c.Bytes.In.Add(uint64(n))
			c.heard()
		}
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && !c.silent() {
			continue
		}
		return n, c.explain(err, ErrDead, DeadAfter)
	}
}

// listen begins to count silence: not before now, for while nobody reads nothing can be heard.
func (c *Conn) listen() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.alive || c.fixed {
		return
	}
	c.since = time.Now()
	if !c.suspect {
		c.doubtAt = c.since.Add(c.Patience())
	}
	c.wait()
}

// wait sets the deadline of reading. The caller holds mu.
func (c *Conn) wait() {
	until := c.since.Add(DeadAfter)
	if !c.suspect && c.doubtAt.Before(until) {
		until = c.doubtAt
	}
	_ = c.Conn.SetReadDeadline(until)
}

// silent takes note of a deadline that has passed, and says whether it was the last one.
func (c *Conn) silent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if !c.alive || c.fixed || now.Sub(c.since) >= DeadAfter {
		return true
	}
	if !c.suspect && !now.Before(c.doubtAt) {
		c.suspect = true
		c.Doubt()
	}
	c.wait()
	return false
}

func (c *Conn) heard() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since = time.Time{}
	if c.suspect {
		c.suspect = false
		c.Doubt()
	}
}

// Write gives up when nothing of b could be handed to the kernel for StallAfter, however long all of it takes.
func (c *Conn) Write(b []byte) (int, error) {
	done, moved := 0, time.Now()
	for {
		began := time.Now()
		watched := c.limitWrite(began.Add(StallAfter / 4))
		n, err := c.moves.Write(b[done:])
		if done += n; n > 0 {
			c.Bytes.Out.Add(uint64(n))
			moved = began
		}
		if !watched || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(moved) >= StallAfter {
			return done, c.explain(err, ErrSlow, StallAfter)
		}
	}
}

// limitWrite sets the deadline of the next write, if it is the watch that sets it.
func (c *Conn) limitWrite(t time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.alive || c.fixed {
		return false
	}
	_ = c.Conn.SetWriteDeadline(t)
	return true
}

// explain says what a deadline of the watch that has passed means; in the handshake, and at the end, it means something else.
func (c *Conn) explain(err, meaning error, limit time.Duration) error {
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
