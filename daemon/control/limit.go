package control

import (
	"context"
	"fmt"
	"net"
	"sync"

	"golang.org/x/sys/unix"

	"vchat/daemon/api"
)

// sendBuffer bounds the unread bytes of a stream in the kernel. It is less than
// a frame: after a pause, a viewer reads at most the rest of one old frame
// before the newest.
const sendBuffer = 64 << 10

// limitListener bounds the number of open connections. At the limit it closes
// the connection that has been idle longest, to accept a new one. If every
// connection is serving a request, it refuses the new one.
type limitListener struct {
	net.Listener
	max     int
	refusal []byte // the answer to a refused connection
	// handlers bounds the connections whose goroutines have not ended. After a
	// malformed request, net/http keeps the goroutine for half a second after
	// the close so that the client can read the answer. A flood must wait for
	// that.
	handlers chan struct{}

	mu      sync.Mutex
	idleSeq uint64 // increases with each connection that becomes idle
	open    map[*conn]struct{}
}

func newLimitListener(l net.Listener, max int, version string) *limitListener {
	refusal := rawAnswer(version, &api.Error{Kind: api.LimitReached, Hint: "close some viewers",
		Message: fmt.Sprintf("client limit reached: %d clients on the control socket", max)})
	return &limitListener{Listener: l, max: max, refusal: refusal, handlers: make(chan struct{}, 2*max),
		open: make(map[*conn]struct{}, max)}
}

// conn is one connection, with the credentials of its client.
type conn struct {
	*net.UnixConn
	listener *limitListener
	cred     *unix.Ucred // nil if the kernel did not report it

	// Guarded by listener.mu.
	serving   bool
	idleSince uint64 // idleSeq when it became idle
}

// Accept waits for the next connection within the limit.
func (l *limitListener) Accept() (net.Conn, error) {
	l.handlers <- struct{}{}
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			l.handlerDone()
			return nil, err
		}
		c := &conn{UnixConn: raw.(*net.UnixConn), listener: l}
		if l.admit(c) {
			c.cred = credentials(c.UnixConn)
			_ = c.SetWriteBuffer(sendBuffer) // without it the stream has more delay, but works
			return c, nil
		}
		// The client may not have sent its request yet. The buffer of the new
		// socket is empty and large enough, so this does not block.
		_, _ = raw.Write(l.refusal)
		raw.Close()
	}
}

// handlerDone reports that the goroutine of an accepted connection has ended.
func (l *limitListener) handlerDone() { <-l.handlers }

func (l *limitListener) admit(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open) >= l.max {
		var oldest *conn
		for o := range l.open {
			if !o.serving && (oldest == nil || o.idleSince < oldest.idleSince) {
				oldest = o
			}
		}
		if oldest == nil {
			return false
		}
		delete(l.open, oldest)
		oldest.UnixConn.Close() // its goroutine reads EOF and ends
	}
	l.markIdle(c)
	l.open[c] = struct{}{}
	return true
}

// markIdle makes c the most recently idle connection. The caller holds l.mu.
func (l *limitListener) markIdle(c *conn) {
	l.idleSeq++
	c.idleSince, c.serving = l.idleSeq, false
}

func (l *limitListener) closeIdle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		if !c.serving {
			delete(l.open, c)
			c.UnixConn.Close()
		}
	}
}

// beginRequest marks a connection whose request has been read. It is not closed
// for another one until endRequest.
func (c *conn) beginRequest() {
	c.listener.mu.Lock()
	c.serving = true
	c.listener.mu.Unlock()
}

func (c *conn) endRequest() {
	c.listener.mu.Lock()
	c.listener.markIdle(c)
	c.listener.mu.Unlock()
}

func (c *conn) Close() error {
	c.listener.mu.Lock()
	delete(c.listener.open, c)
	c.listener.mu.Unlock()
	return c.UnixConn.Close()
}

func credentials(c *net.UnixConn) (cred *unix.Ucred) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	_ = raw.Control(func(fd uintptr) { cred, _ = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return cred
}

type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

func connOf(ctx context.Context) *conn { return ctx.Value(connKey{}).(*conn) }
