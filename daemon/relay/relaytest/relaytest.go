// Package relaytest is a transit relay for tests. It joins connections as the
// relay of magic-wormhole does, and can misbehave.
package relaytest

import (
	"bufio"
	"io"
	"net"
	"regexp"
	"sync"
	"testing"
	"time"
)

// Relay is a relay on loopback. Its fields may be changed before the first
// connection.
type Relay struct {
	// Serve, if not nil, serves each connection instead of joining it. The
	// connection is closed when it returns.
	Serve func(net.Conn)
	// Rate limits what each side gets, in bytes a second; 0: no limit. Up to
	// Buffer bytes wait in the relay.
	Rate, Buffer int
	// Tap, if not nil, sees all bytes that pass.
	Tap io.Writer

	t        testing.TB
	listen   func(address string) (net.Listener, error)
	address  string
	work     sync.WaitGroup
	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
	waiting  map[string][]*waiter // by token, oldest first
	accepted int
	joined   int
	early    int // bytes that arrived before the answer
}

type waiter struct {
	net.Conn
	in   *bufio.Reader
	side string
	ok   chan *waiter // gets the other side
}

// New starts a relay that is closed at the end of the test.
func New(t testing.TB) *Relay {
	t.Helper()
	r := NewOn(t, "127.0.0.1:0", func(address string) (net.Listener, error) { return net.Listen("tcp", address) })
	t.Cleanup(r.Stop)
	return r
}

// NewOn starts a relay on an address of another network. The test stops it.
func NewOn(t testing.TB, address string, listen func(address string) (net.Listener, error)) *Relay {
	t.Helper()
	r := &Relay{t: t, conns: map[net.Conn]bool{}, waiting: map[string][]*waiter{}, listen: listen, address: address}
	r.Start()
	return r
}

// Address returns HOST:PORT of the relay. It stays the same across restarts.
func (r *Relay) Address() string { return r.address }

// Start starts a stopped relay.
func (r *Relay) Start() {
	r.t.Helper()
	l, err := r.listen(r.address)
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	r.listener = l
	if r.address == "127.0.0.1:0" {
		r.address = l.Addr().String()
	}
	r.mu.Unlock()
	r.work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.accepted++
			r.conns[c] = true
			serve := r.Serve
			r.mu.Unlock()
			r.work.Go(func() {
				defer r.forget(c)
				if serve != nil {
					serve(c)
					return
				}
				r.serve(c)
			})
		}
	})
}

// ServeWith sets Serve for the connections from now on.
func (r *Relay) ServeWith(serve func(net.Conn)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Serve = serve
}

// Stop closes the listener and all connections.
func (r *Relay) Stop() {
	r.mu.Lock()
	_ = r.listener.Close()
	for c := range r.conns {
		_ = c.Close()
	}
	r.waiting = map[string][]*waiter{}
	r.mu.Unlock()
	r.work.Wait()
}

// Accepted returns the number of connections since the start.
func (r *Relay) Accepted() int { r.mu.Lock(); defer r.mu.Unlock(); return r.accepted }

// Joined returns the number of pairs since the start.
func (r *Relay) Joined() int { r.mu.Lock(); defer r.mu.Unlock(); return r.joined }

// Early returns how many bytes came before the answer of the relay.
func (r *Relay) Early() int { r.mu.Lock(); defer r.mu.Unlock(); return r.early }

// Waiting returns the number of connections that wait for the other side.
func (r *Relay) Waiting() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, all := range r.waiting {
		n += len(all)
	}
	return n
}

// Cut closes all connections, as a restart does.
func (r *Relay) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		_ = c.Close()
	}
}

func (r *Relay) forget(c net.Conn) {
	_ = c.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
}

var request = regexp.MustCompile(`^please relay ([0-9a-f]{64}) for side ([0-9a-f]{16})\n$`)

func (r *Relay) serve(c net.Conn) {
	in := bufio.NewReader(c)
	line, err := in.ReadString('\n')
	if err != nil {
		return
	}
	parts := request.FindStringSubmatch(line)
	if parts == nil {
		_, _ = io.WriteString(c, "bad handshake\n")
		return
	}
	if n := in.Buffered(); n > 0 {
		r.mu.Lock()
		r.early += n
		r.mu.Unlock()
		_, _ = io.WriteString(c, "impatient\n")
		return
	}
	w := &waiter{Conn: c, in: in, side: parts[2], ok: make(chan *waiter, 1)}
	other := r.join(parts[1], w)
	if other == nil {
		gone := make(chan struct{})
		r.work.Go(func() {
			defer close(gone)
			_, _ = in.Peek(1)
		})
		select {
		case other = <-w.ok:
		case <-gone:
			select {
			case other = <-w.ok:
			default:
				r.mu.Lock()
				r.early += in.Buffered()
				r.leave(parts[1], w)
				r.mu.Unlock()
				return
			}
		}
		defer other.Close()
		defer func() { <-gone }()
		defer c.Close()
		<-gone
		r.pass(other, in)
		return
	}
	defer other.Close()
	other.ok <- w // before the answer: it may send at once
	// Both answers come before the first byte of either side.
	for _, side := range []net.Conn{c, other} {
		if _, err := io.WriteString(side, "ok\n"); err != nil {
			return
		}
	}
	r.pass(other, in)
}

// join returns the waiting other side of w, or makes w wait.
func (r *Relay) join(token string, w *waiter) *waiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, x := range r.waiting[token] {
		if x.side == w.side {
			continue
		}
		for j, redundant := range r.waiting[token] {
			if j != i {
				_ = redundant.Close()
			}
		}
		delete(r.waiting, token)
		r.joined++
		return x
	}
	r.waiting[token] = append(r.waiting[token], w)
	return nil
}

// leave removes a waiter. The caller holds mu.
func (r *Relay) leave(token string, w *waiter) {
	for i, x := range r.waiting[token] {
		if x == w {
			r.waiting[token] = append(r.waiting[token][:i:i], r.waiting[token][i+1:]...)
		}
	}
}

// pass copies from in to c, through a queue of Buffer bytes.
func (r *Relay) pass(c net.Conn, in io.Reader) {
	if r.Tap != nil {
		in = io.TeeReader(in, r.Tap)
	}
	if r.Rate == 0 {
		_, _ = io.Copy(c, in)
		return
	}
	const piece = 1 << 10
	queue := make(chan []byte, max(1, r.Buffer/piece))
	r.work.Go(func() {
		defer close(queue)
		for {
			b := make([]byte, piece)
			n, err := in.Read(b)
			if n > 0 {
				queue <- b[:n]
			}
			if err != nil {
				return
			}
		}
	})
	next := time.Now()
	for b := range queue {
		if now := time.Now(); next.Before(now) {
			next = now
		}
		next = next.Add(time.Duration(len(b)) * time.Second / time.Duration(r.Rate))
		time.Sleep(time.Until(next))
		if _, err := c.Write(b); err != nil {
			_ = c.Close()
			for range queue { // until the reader ends
			}
			return
		}
	}
}
