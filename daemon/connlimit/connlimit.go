// Package connlimit bounds the connections of an HTTP server, so that clients
// that are idle, slow or many cannot keep others out.
//
// Guarantees:
//   - At most a fixed number of connections is open. At the limit, a new one
//     replaces an idle one: of the owner with the most idle connections, the
//     one that has been idle longest. A connection in use is never closed for
//     another.
//   - The goroutines of net/http are bounded too.
//
// A connection is idle from its accept until the server calls Begin, when it
// knows that the request deserves a place, and again after End:
//
//	accept ─▶ idle ──Begin──▶ in use ──End──▶ idle …
//	           │ a newcomer needs the place
//	           ▼
//	         closed
//
// The package starts no goroutine.
package connlimit

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// Listener accepts connections within the limit. The server's ConnState must be
// Listener.ConnState, and its ConnContext WithConn. It is safe for concurrent
// use.
type Listener struct {
	net.Listener
	max   int
	admit func(net.Conn) (owner string, ok bool)
	// handlers has an element for each goroutine of net/http. After the limit
	// closes a connection, its goroutine needs a moment to end.
	handlers chan struct{}
	running  sync.WaitGroup
	closing  chan struct{}
	close    sync.Once

	mu      sync.Mutex
	idleSeq uint64 // increases with each connection that becomes idle
	open    map[*Conn]struct{}
	idle    map[string]int // idle connections by owner
}

// New returns a listener for at most limit connections, at least one. The
// function admit returns the owner of a new connection, or reports false to
// close it. It must not wait: no other connection is accepted in that time.
func New(l net.Listener, limit int, admit func(net.Conn) (owner string, ok bool)) *Listener {
	return &Listener{Listener: l, max: limit, admit: admit, handlers: make(chan struct{}, 2*limit),
		closing: make(chan struct{}), open: make(map[*Conn]struct{}, limit), idle: map[string]int{}}
}

// ByAddress is an admit function: it admits all, and the owner of a connection
// is its IP address.
func ByAddress(c net.Conn) (owner string, ok bool) {
	host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
	return host, true
}

// Conn is an accepted connection. Its methods are safe for concurrent use.
type Conn struct {
	net.Conn
	listener *Listener
	owner    string

	// Guarded by listener.mu.
	inUse     bool
	idleSince uint64 // idleSeq when it became idle
}

// Accept waits for the next connection.
func (l *Listener) Accept() (net.Conn, error) { return l.accept(l.Listener) }

// With returns a further listener for the same server, within the same limit.
func (l *Listener) With(other net.Listener) net.Listener { return &further{other, l} }

type further struct {
	net.Listener
	limit *Listener
}

// Accept waits for the next connection.
func (f *further) Accept() (net.Conn, error) { return f.limit.accept(f.Listener) }

func (l *Listener) accept(from net.Listener) (net.Conn, error) {
	select {
	case l.handlers <- struct{}{}:
	case <-l.closing:
		return nil, net.ErrClosed
	}
	for {
		raw, err := from.Accept()
		if err != nil {
			<-l.handlers
			return nil, err
		}
		if owner, ok := l.admit(raw); ok {
			c := &Conn{Conn: raw, listener: l, owner: owner}
			if l.add(c) {
				return c, nil
			}
		}
		raw.Close()
	}
}

// Close stops accepting. Open connections stay open.
func (l *Listener) Close() error {
	l.close.Do(func() { close(l.closing) })
	return l.Listener.Close()
}

// ConnState counts the goroutines of an http.Server.
func (l *Listener) ConnState(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		l.running.Add(1)
	case http.StateClosed, http.StateHijacked: // the handler of a hijacked one is the server's
		<-l.handlers
		l.running.Done()
	}
}

// Wait waits until the http.Server has no goroutine of a connection left.
func (l *Listener) Wait() { l.running.Wait() }

func (l *Listener) add(c *Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open) >= l.max && !l.evict() {
		return false
	}
	l.markIdle(c)
	l.open[c] = struct{}{}
	return true
}

// evict closes one idle connection, if there is one. The caller holds l.mu.
func (l *Listener) evict() bool {
	var victim *Conn
	for c := range l.open {
		if c.inUse {
			continue
		}
		if victim == nil || l.idle[c.owner] > l.idle[victim.owner] ||
			l.idle[c.owner] == l.idle[victim.owner] && c.idleSince < victim.idleSince {
			victim = c
		}
	}
	if victim == nil {
		return false
	}
	l.remove(victim)
	victim.Conn.Close() // its goroutine reads EOF and ends
	return true
}

// CloseIdle closes the idle connections.
func (l *Listener) CloseIdle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		if !c.inUse {
			l.remove(c)
			c.Conn.Close()
		}
	}
}

// markIdle makes c the most recently idle connection. The caller holds l.mu.
func (l *Listener) markIdle(c *Conn) {
	l.idleSeq++
	c.idleSince, c.inUse = l.idleSeq, false
	l.idle[c.owner]++
}

// forgetIdle is the reverse of markIdle. The caller holds l.mu.
func (l *Listener) forgetIdle(c *Conn) {
	if l.idle[c.owner]--; l.idle[c.owner] == 0 {
		delete(l.idle, c.owner)
	}
}

// remove forgets a connection, if it is open. The caller holds l.mu.
func (l *Listener) remove(c *Conn) {
	if _, ok := l.open[c]; !ok {
		return
	}
	delete(l.open, c)
	if !c.inUse {
		l.forgetIdle(c)
	}
}

// Owner returns what the admit function returned.
func (c *Conn) Owner() string { return c.owner }

// Begin marks the connection as in use until End.
func (c *Conn) Begin() {
	l := c.listener
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.open[c]; ok && !c.inUse {
		l.forgetIdle(c)
	}
	c.inUse = true
}

// End marks the connection as idle.
func (c *Conn) End() {
	l := c.listener
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.open[c]; ok && c.inUse {
		l.markIdle(c)
	}
}

// Close closes the connection.
func (c *Conn) Close() error {
	c.listener.mu.Lock()
	c.listener.remove(c)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite ends the handler. net/http calls it only before it waits for half
// a second, so that the client of a malformed request can read the answer.
// Under a flood of such requests, that would use up all goroutines.
func (c *Conn) CloseWrite() error { panic(http.ErrAbortHandler) }

type connKey struct{}

// WithConn is the ConnContext of an http.Server, for FromContext.
func WithConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// FromContext returns the connection of a request.
func FromContext(ctx context.Context) *Conn { return ctx.Value(connKey{}).(*Conn) }
