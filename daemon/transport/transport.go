// Package transport carries bytes over one TLS connection on TCP.
//
// Guarantees:
//   - Read fails with [ErrDead] after a silence of [DeadTimeout]. Before that,
//     Stale reports a shorter silence.
//   - Write fails with [ErrSlow] when the kernel accepts no byte for
//     [WriteTimeout].
//   - Nothing moves the deadline of SetFinalDeadline, not even the
//     close_notify of crypto/tls.
//   - WriteFrame needs one system call for each 128 KiB.
//   - Reading and writing below TLS, and asking the kernel, allocate nothing.
//
// It starts no goroutines. One goroutine may read and one may write at the same
// time. Only the writing one may call the methods of congestion.Socket. All
// others are safe for concurrent use.
//
//	Conn ─ crypto/tls ─ coalescer ── liveness ─── rawIO ─── kernel
//	 │     records of   one write    deadlines    read(2)     │
//	 │     16 KiB       per frame    by silence   write(2)    │
//	 └───────────── socket: TCP_INFO, queue lengths, BBR ─────┘
//
// A connection is in one of these states:
//
//	                 silence of LivenessTimeout,
//	         Start   or an unanswered Probe
//	handshake ──▶ live ────────────────────▶ stale
//	    │          │ ◀──── bytes arrive ────── │
//	    │ deadline │ SetFinalDeadline          │ silence of DeadTimeout
//	    ▼          ▼                           ▼
//	  failed    closing ──▶ closed          dead: Read returns ErrDead
package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// StaleTimeout is the silence after which a connection in a call is stale:
	// the peer is dialled again. It is also how long Probe waits.
	StaleTimeout = 500 * time.Millisecond
	// DeadTimeout is the silence that ends a connection.
	DeadTimeout = 2500 * time.Millisecond
	// WriteTimeout is how long a write may go without progress.
	WriteTimeout = 10 * time.Second
	// maxHandshake is how many bytes of a handshake are read. Ours have less
	// than 4 KiB; crypto/tls would keep 64 KiB for each message.
	maxHandshake = 16 << 10
)

var errLongHandshake = fmt.Errorf("TLS handshake of more than %d bytes", maxHandshake)

var (
	// ErrDead is returned by Read after a silence of DeadTimeout.
	ErrDead = errors.New("no answer")
	// ErrSlow is returned by Write when the kernel accepts nothing for
	// WriteTimeout.
	ErrSlow = errors.New("nothing sent is read")
)

// IsClosed reports whether err means that either end has closed or reset the
// connection.
func IsClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// Counters counts bytes on the wire, including TLS. It is safe for
// concurrent use.
type Counters struct{ In, Out atomic.Uint64 }

// Options configures Start. All fields are required.
type Options struct {
	// Counters counts the bytes from now on. Several connections may share it.
	Counters *Counters
	// LivenessTimeout returns the silence that makes the connection stale, for
	// example StaleTimeout. With DeadTimeout or more it never becomes stale.
	LivenessTimeout func() time.Duration
	// OnStale is called after each change of Stale. It must return soon and
	// must not call the connection.
	OnStale func()
}

// Conn is one TLS connection over TCP. It implements congestion.Socket.
type Conn struct {
	*socket
	tls       *tls.Conn
	coalescer *coalescer
	liveness  *liveness
}

// Client performs the TLS handshake as the client on raw. It owns raw only if
// it succeeds. The caller sets the deadline of the handshake on raw; it stays
// in force until Start.
func Client(ctx context.Context, raw net.Conn, config *tls.Config) (*Conn, error) {
	return handshake(ctx, raw, config, tls.Client)
}

// Server performs the TLS handshake as the server on raw; see Client.
func Server(ctx context.Context, raw net.Conn, config *tls.Config) (*Conn, error) {
	return handshake(ctx, raw, config, tls.Server)
}

func handshake(ctx context.Context, raw net.Conn, config *tls.Config,
	side func(net.Conn, *tls.Config) *tls.Conn) (*Conn, error) {
	l := newLiveness(raw)
	b := newCoalescer(l)
	c := &Conn{socket: newSocket(raw), tls: side(b, fullRecords(config)), coalescer: b, liveness: l}
	if err := c.tls.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	l.handshakeLeft = math.MaxInt64
	return c, nil
}

// fullRecords makes TLS fill its records from the first frame on. By default it
// begins with small ones after each pause.
func fullRecords(c *tls.Config) *tls.Config {
	c = c.Clone()
	c.DynamicRecordSizingDisabled = true
	return c
}

// Start begins to watch for silence and clears the deadline of the handshake.
// It is called once, by the reading goroutine, when the peer has authenticated
// itself: only then is the connection worth its read buffer and BBR.
func (c *Conn) Start(o Options) {
	c.coalescer.bufferReads()
	c.useBBR()
	c.liveness.start(o)
}

// ConnectionState returns the result of the TLS handshake.
func (c *Conn) ConnectionState() tls.ConnectionState { return c.tls.ConnectionState() }

// RemoteAddr returns the network address of the peer.
func (c *Conn) RemoteAddr() net.Addr { return c.tls.RemoteAddr() }

// Read reads decrypted bytes. It fails with ErrDead after a silence of
// DeadTimeout.
func (c *Conn) Read(b []byte) (int, error) { return c.tls.Read(b) }

// Write encrypts and sends b. It fails with ErrSlow when the kernel accepts
// nothing for WriteTimeout.
func (c *Conn) Write(b []byte) (int, error) { return c.tls.Write(b) }

// WriteFrame sends head and data in few system calls. The head is a TLS record
// of its own, so that the receiver knows when the first byte of the frame has
// arrived.
func (c *Conn) WriteFrame(head, data []byte) error {
	c.coalescer.cork()
	_, err := c.tls.Write(head)
	if err == nil {
		_, err = c.tls.Write(data)
	}
	if uncorked := c.coalescer.uncork(); err == nil {
		err = uncorked
	}
	return err
}

// SetHandshakeDeadline sets the deadline of reading and writing until Start.
func (c *Conn) SetHandshakeDeadline(t time.Time) { _ = c.liveness.SetDeadline(t) }

// SetFinalDeadline sets a deadline that nothing moves afterwards. It ends the
// watch for silence.
func (c *Conn) SetFinalDeadline(t time.Time) { c.liveness.setFinalDeadline(t) }

// Probe makes the connection stale unless bytes arrive within StaleTimeout. The
// caller then sends a message that the peer answers.
func (c *Conn) Probe() { c.liveness.probe() }

// Stale reports whether the peer has been silent for longer than
// LivenessTimeout.
func (c *Conn) Stale() bool { return c.liveness.isStale() }

// CloseWrite sends the close_notify of TLS. Read still works.
func (c *Conn) CloseWrite() error { return c.tls.CloseWrite() }

// Close closes the TCP connection without a close_notify. What the kernel holds
// is still sent.
func (c *Conn) Close() error { return c.liveness.Close() }

// Abort closes the connection and discards what the kernel has not sent: its
// successor needs the capacity.
func (c *Conn) Abort() { c.liveness.abort() }
