package transport

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// liveness is a TCP connection that turns silence into errors. After start,
// silence makes it stale and later ends Read; a Write without progress fails,
// too. Before start, the caller sets the deadlines.
type liveness struct {
	net.Conn
	io io.ReadWriter // Conn, or the rawIO below it

	options Options // set by start

	handshakeLeft int64 // bytes that may still be read before the handshake ends

	mu      sync.Mutex
	final   bool      // the final deadline is set
	started bool      // the handshake is over
	since   time.Time // when the waiting Read began; zero: none waits
	staleAt time.Time // when the connection becomes stale
	stale   bool
}

// unsentLimit bounds the bytes that the kernel holds and has not sent
// (TCP_NOTSENT_LOWAT, tcp(7)), so that the sender picks the newest frame as
// late as possible.
const unsentLimit = 64 << 10

func newLiveness(c net.Conn) *liveness {
	l := &liveness{Conn: c, io: c, handshakeLeft: maxHandshake, options: Options{
		Counters:        new(Counters),
		LivenessTimeout: func() time.Duration { return DeadTimeout },
		OnStale:         func() {},
	}}
	t, ok := c.(*net.TCPConn)
	if !ok {
		return l
	}
	if raw, err := t.SyscallConn(); err == nil {
		// Both options exist since Linux 3.12. Without them a slow network only
		// delays frames more.
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentLimit)
			// The kernel would retransmit for 15 minutes by default, also after
			// close (tcp(7)).
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(WriteTimeout.Milliseconds()))
		})
	}
	if r, err := newRawIO(t); err == nil {
		l.io = r
	}
	return l
}

func (l *liveness) start(o Options) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.options = o
	if !l.final {
		l.started = true
		_ = l.Conn.SetDeadline(time.Time{})
	}
}

// probe makes the connection stale after StaleTimeout, once, if the waiting
// Read gets nothing.
func (l *liveness) probe() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := time.Now().Add(StaleTimeout); !l.stale && !l.since.IsZero() && at.Before(l.staleAt) {
		l.staleAt = at
		l.setReadDeadline()
	}
}

func (l *liveness) isStale() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stale
}

func (l *liveness) setFinalDeadline(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.final = true
	_ = l.Conn.SetDeadline(t)
}

func (l *liveness) abort() {
	if t, ok := l.Conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = l.Conn.Close()
}

// SetWriteDeadline is called by crypto/tls, which allows its close_notify five
// seconds. It does not move the final deadline.
func (l *liveness) SetWriteDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.final {
		return nil
	}
	return l.Conn.SetWriteDeadline(t)
}

func (l *liveness) Read(b []byte) (int, error) {
	l.beginRead()
	for {
		n, err := l.io.Read(b)
		if l.handshakeLeft -= int64(n); l.handshakeLeft < 0 {
			return 0, errLongHandshake
		}
		if n > 0 {
			l.options.Counters.In.Add(uint64(n))
			l.received()
		}
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && !l.expired() {
			continue
		}
		return n, l.explain(err, ErrDead, DeadTimeout)
	}
}

// beginRead starts to measure the silence: while no goroutine reads, nothing
// can arrive.
func (l *liveness) beginRead() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.started || l.final {
		return
	}
	l.since = time.Now()
	if !l.stale {
		l.staleAt = l.since.Add(l.options.LivenessTimeout())
	}
	l.setReadDeadline()
}

// setReadDeadline is called with mu held.
func (l *liveness) setReadDeadline() {
	until := l.since.Add(DeadTimeout)
	if !l.stale && l.staleAt.Before(until) {
		until = l.staleAt
	}
	_ = l.Conn.SetReadDeadline(until)
}

// expired handles a read deadline that has passed. It reports whether the Read
// must end.
func (l *liveness) expired() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if !l.started || l.final || now.Sub(l.since) >= DeadTimeout {
		return true
	}
	if !l.stale && !now.Before(l.staleAt) {
		l.stale = true
		l.options.OnStale()
	}
	l.setReadDeadline()
	return false
}

// received ends the silence.
func (l *liveness) received() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since = time.Time{}
	if l.stale {
		l.stale = false
		l.options.OnStale()
	}
}

// Write fails when the kernel accepts nothing of b for WriteTimeout. It may
// take longer while there is progress.
func (l *liveness) Write(b []byte) (int, error) {
	done, progress := 0, time.Now()
	for {
		began := time.Now()
		limited := l.limitWrite(began.Add(WriteTimeout / 4))
		n, err := l.io.Write(b[done:])
		if done += n; n > 0 {
			l.options.Counters.Out.Add(uint64(n))
			progress = began
		}
		if !limited || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(progress) >= WriteTimeout {
			return done, l.explain(err, ErrSlow, WriteTimeout)
		}
	}
}

// limitWrite sets the deadline of the next write. It returns false if the
// caller sets the deadlines.
func (l *liveness) limitWrite(t time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.started || l.final {
		return false
	}
	_ = l.Conn.SetWriteDeadline(t)
	return true
}

// explain wraps the error of a deadline that liveness has set. During the
// handshake, and after the final deadline is set, it returns err as it is.
func (l *liveness) explain(err, meaning error, limit time.Duration) error {
	if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.started || l.final {
		return err
	}
	return &limitError{meaning, limit, err}
}

// limitError is the end of a connection by a deadline of liveness. Its text
// leaves out the addresses and "i/o timeout" of cause: people read it in
// status and events.
type limitError struct {
	meaning error
	limit   time.Duration
	cause   error
}

func (e *limitError) Error() string   { return fmt.Sprintf("%v for %v", e.meaning, e.limit) }
func (e *limitError) Unwrap() []error { return []error{e.meaning, e.cause} }
