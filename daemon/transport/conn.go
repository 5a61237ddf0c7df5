package link

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

// conn is a TCP connection that watches itself: silence first makes it suspect, where that is asked for, and for deadAfter
// ends it; so does a write that takes longer than stallAfter. During the handshake a single deadline for all of it is set
// from outside instead.
type conn struct {
	net.Conn
	moves io.ReadWriter // Conn, as cheaply as it can be read and written

	// Set before watch.
	bytes    *traffic             // what has passed is counted there
	patience func() time.Duration // how much silence makes it suspect
	doubt    func()               // called when that has changed; must return soon

	mu      sync.Mutex
	fixed   bool      // the last deadline is set; nothing must move it
	alive   bool      // the handshake is over
	since   time.Time // we listen, and have heard nothing
	doubtAt time.Time // then it is suspect; zero if it is already
	suspect bool
}

// traffic counts bytes. It is safe for concurrent use.
type traffic struct{ in, out atomic.Uint64 }

// unsentLimit bounds what the kernel holds of our frames but has not sent yet (TCP_NOTSENT_LOWAT, tcp(7)), so that the
// newest frame is chosen as late as possible.
const unsentLimit = 64 << 10

func newConn(c net.Conn) *conn {
	moves := io.ReadWriter(c)
	if t, ok := c.(*net.TCPConn); ok {
		if raw, err := t.SyscallConn(); err == nil {
			// Without them the link works, only later on a slow network; a kernel that has no such options is older than 3.12.
			_ = raw.Control(func(fd uintptr) {
				_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentLimit)
				// So that the kernel repeats nothing for longer than we would wait, also what was closed meanwhile (tcp(7)).
				_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(stallAfter.Milliseconds()))
			})
		}
		if u, err := newUnwatched(t); err == nil {
			moves = u
		}
	}
	return &conn{Conn: c, moves: moves, bytes: new(traffic), patience: func() time.Duration { return deadAfter }, doubt: func() {}}
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

// probe gives the other side no more than suspectAfter to be heard, for this once.
func (c *conn) probe() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := time.Now().Add(suspectAfter); !c.suspect && !c.since.IsZero() && at.Before(c.doubtAt) {
		c.doubtAt = at
		c.wait()
	}
}

// suspected says that nothing was heard for long enough to look for another way.
func (c *conn) suspected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.suspect
}

// endBy sets the last deadline.
func (c *conn) endBy(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fixed = true
	_ = c.Conn.SetDeadline(t)
}

// abandon closes the connection without another word: what waits to be sent would only be in the way of its successor.
func (c *conn) abandon() {
	if t, ok := c.Conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Conn.Close()
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
	c.listen()
	for {
		n, err := c.moves.Read(b)
		if n > 0 {
			c.bytes.in.Add(uint64(n))
			c.heard()
		}
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && !c.silent() {
			continue
		}
		return n, c.explain(err, ErrDead, deadAfter)
	}
}

// listen begins to count silence: not before now, for while nobody reads nothing can be heard.
func (c *conn) listen() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.alive || c.fixed {
		return
	}
	c.since = time.Now()
	if !c.suspect {
		c.doubtAt = c.since.Add(c.patience())
	}
	c.wait()
}

// wait sets the deadline of reading. The caller holds mu.
func (c *conn) wait() {
	until := c.since.Add(deadAfter)
	if !c.suspect && c.doubtAt.Before(until) {
		until = c.doubtAt
	}
	_ = c.Conn.SetReadDeadline(until)
}

// silent takes note of a deadline that has passed, and says whether it was the last one.
func (c *conn) silent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if !c.alive || c.fixed || now.Sub(c.since) >= deadAfter {
		return true
	}
	if !c.suspect && !now.Before(c.doubtAt) {
		c.suspect = true
		c.doubt()
	}
	c.wait()
	return false
}

func (c *conn) heard() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since = time.Time{}
	if c.suspect {
		c.suspect = false
		c.doubt()
	}
}

// Write gives up when nothing of b could be handed to the kernel for stallAfter, however long all of it takes.
func (c *conn) Write(b []byte) (int, error) {
	done, moved := 0, time.Now()
	for {
		began := time.Now()
		watched := c.limitWrite(began.Add(stallAfter / 4))
		n, err := c.moves.Write(b[done:])
		if done += n; n > 0 {
			c.bytes.out.Add(uint64(n))
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
