package control

import (
	"context"
	"fmt"
	"net"
	"sync"

	"golang.org/x/sys/unix"

	"vchat/daemon/api"
)

// sendBuffer bounds, in bytes, what of a stream lies in the kernel unseen: less than a frame, so that a viewer which
// pauses finds at most the rest of one old frame before the newest.
const sendBuffer = 64 << 10

// conns is a listener that bounds the number of open connections. When all places are taken, the connection that has
// waited longest without a whole request is closed for the new one. If all are being served, the new one is refused.
type conns struct {
	net.Listener
	max  int
	full []byte // the answer to those for whom there is no place

	// running bounds the connections whose goroutine has not ended. net/http keeps one that sent nonsense for half a
	// second after it is closed, so that the client can read why; a flood of those has to wait for that.
	running chan struct{}

	mu   sync.Mutex
	tick uint64 // grows with each connection that begins to wait
	open map[*conn]struct{}
}

func newConns(l net.Listener, max int, version string) *conns {
	full := rawAnswer(version, &api.Error{Kind: api.LimitReached, Hint: "close some viewers",
		Message: fmt.Sprintf("the control socket has %d clients, which is as many as it takes", max)})
	return &conns{Listener: l, max: max, full: full, running: make(chan struct{}, 2*max), open: make(map[*conn]struct{}, max)}
}

// conn is one connection, and who is at its other end.
type conn struct {
	*net.UnixConn
	all  *conns
	cred *unix.Ucred // nil if the kernel did not tell

	// Guarded by all.mu.
	serving bool
	since   uint64 // tick at which it began to wait
}

// Accept waits for the next connection that finds a place.
func (cs *conns) Accept() (net.Conn, error) {
	cs.running <- struct{}{}
	for {
		raw, err := cs.Listener.Accept()
		if err != nil {
			cs.ended()
			return nil, err
		}
		c := &conn{UnixConn: raw.(*net.UnixConn), all: cs}
		if cs.admit(c) {
			c.cred = credentials(c.UnixConn)
			_ = c.SetWriteBuffer(sendBuffer) // without it, it works as well, only with more delay
			return c, nil
		}
		// In HTTP, to a client that has perhaps not asked yet. So few bytes fit into an empty socket: it does not wait.
		_, _ = raw.Write(cs.full)
		raw.Close()
	}
}

// ended says that the goroutine of an accepted connection has ended.
func (cs *conns) ended() { <-cs.running }

func (cs *conns) admit(c *conn) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if len(cs.open) >= cs.max {
		var oldest *conn
		for o := range cs.open {
			if !o.serving && (oldest == nil || o.since < oldest.since) {
				oldest = o
			}
		}
		if oldest == nil {
			return false
		}
		delete(cs.open, oldest)
		oldest.UnixConn.Close() // its goroutine sees that and ends
	}
	cs.wait(c)
	cs.open[c] = struct{}{}
	return true
}

// wait is called with cs.mu held.
func (cs *conns) wait(c *conn) {
	cs.tick++
	c.since, c.serving = cs.tick, false
}

func (cs *conns) closeWaiting() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for c := range cs.open {
		if !c.serving {
			delete(cs.open, c)
			c.UnixConn.Close()
		}
	}
}

// serve marks a connection as one whose request is there as a whole; done, as one that waits for the next.
func (c *conn) serve() {
	c.all.mu.Lock()
	c.serving = true
	c.all.mu.Unlock()
}

func (c *conn) done() {
	c.all.mu.Lock()
	c.all.wait(c)
	c.all.mu.Unlock()
}

func (c *conn) Close() error {
	c.all.mu.Lock()
	delete(c.all.open, c)
	c.all.mu.Unlock()
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
