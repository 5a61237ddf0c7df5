// Package daemontest is what tests of several rooms share: whole devices on loopback, and a network in memory that can be
// cut and stalled and works in fake time.
package daemontest

import (
	"context"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// pipeRoom is how many bytes are on the way in each direction before a writer has to wait, as in a socket's buffers.
const pipeRoom = 256 << 10

// Network connects dialers to listeners in memory. All its waiting is on channels, so that it may live in a
// testing/synctest bubble. It is safe for concurrent use.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*listener
	conns     map[*pipeConn]struct{}
	stalled   bool
	delay     time.Duration
	moved     chan struct{} // closed and made anew whenever one of them changes
	dials     int
}

// NewNetwork makes a network without listeners.
func NewNetwork() *Network {
	return &Network{listeners: map[string]*listener{}, conns: map[*pipeConn]struct{}{}, moved: make(chan struct{})}
}

// Listen opens an address of any form.
func (n *Network) Listen(address string) net.Listener {
	l := &listener{net: n, address: address, incoming: make(chan net.Conn), done: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners[address] = l
	return l
}

// Dial connects to a listener. Without one it is refused; on a stalled network it waits for the end of ctx.
func (n *Network) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	n.dials++
	l, stalled, trip := n.listeners[address], n.stalled, 2*n.delay
	n.mu.Unlock()
	if stalled {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if trip > 0 {
		select {
		case <-time.After(trip):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if l == nil {
		return nil, &net.OpError{Op: "dial", Net: "memory", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	here, there := n.pipe(address)
	select {
	case l.incoming <- there:
		return here, nil
	case <-l.done:
	case <-ctx.Done():
	}
	_ = here.Close()
	_ = there.Close()
	return nil, os.NewSyscallError("connect", syscall.ECONNREFUSED)
}

// Dials counts the calls of Dial.
func (n *Network) Dials() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials
}

// Cut resets all connections. New ones can be made at once.
func (n *Network) Cut() {
	n.mu.Lock()
	conns := slices.Collect(maps.Keys(n.conns))
	n.mu.Unlock()
	for _, c := range conns { // not under mu, which a flow takes while it holds its own lock
		c.in.fail(syscall.ECONNRESET)
		c.out.fail(syscall.ECONNRESET)
	}
}

// Stall stops everything on the way without a word, as an unplugged cable does, or lets it go on.
func (n *Network) Stall(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stalled = on
	close(n.moved)
	n.moved = make(chan struct{})
}

// Freeze stops everything on the connections there are now, as TCP's pauses do after a loss: new ones can be made, and work.
// Nothing thaws them.
func (n *Network) Freeze() {
	n.mu.Lock()
	conns := slices.Collect(maps.Keys(n.conns))
	n.mu.Unlock()
	for _, c := range conns {
		c.in.freeze()
		c.out.freeze()
	}
}

// Delay makes everything that is sent from now on take this long, as a queue in the network does.
func (n *Network) Delay(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.delay = d
}

func (n *Network) isStalled() (bool, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.stalled, n.moved
}

func (n *Network) lateness() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.delay
}

func (n *Network) pipe(address string) (a, b *pipeConn) {
	x, y := newFlow(n), newFlow(n)
	a = &pipeConn{net: n, in: x, out: y, remote: addr(address)}
	b = &pipeConn{net: n, in: y, out: x, remote: addr("dialer")}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns[a], n.conns[b] = struct{}{}, struct{}{}
	return a, b
}

type listener struct {
	net      *Network
	address  string
	incoming chan net.Conn
	done     chan struct{}
	once     sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.incoming:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.net.mu.Lock()
		defer l.net.mu.Unlock()
		if l.net.listeners[l.address] == l {
			delete(l.net.listeners, l.address)
		}
	})
	return nil
}

func (l *listener) Addr() net.Addr { return addr(l.address) }

type addr string

func (a addr) Network() string { return "memory" }
func (a addr) String() string  { return string(a) }

// pipeConn is one end of a connection.
type pipeConn struct {
	net     *Network
	in, out *flow
	remote  addr
}

func (c *pipeConn) Read(b []byte) (int, error)  { return c.in.read(b) }
func (c *pipeConn) Write(b []byte) (int, error) { return c.out.write(b) }
func (c *pipeConn) LocalAddr() net.Addr         { return addr("local") }
func (c *pipeConn) RemoteAddr() net.Addr        { return c.remote }

func (c *pipeConn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

func (c *pipeConn) SetReadDeadline(t time.Time) error  { c.in.readBy.set(t, c.in); return nil }
func (c *pipeConn) SetWriteDeadline(t time.Time) error { c.out.writeBy.set(t, c.out); return nil }

func (c *pipeConn) Close() error {
	c.net.mu.Lock()
	delete(c.net.conns, c)
	c.net.mu.Unlock()
	c.in.abandon()
	c.out.finish()
	return nil
}

// flow is one direction of a connection.
type flow struct {
	net             *Network
	mu              sync.Mutex
	buf             []byte
	late            []batch // what of buf is not there yet, in the order of its coming
	frozen          bool
	ended           bool  // the writer has closed: what is left is read, then io.EOF
	abandoned       bool  // the reader has closed: writing fails, once the news has travelled
	err             error // reset
	readBy, writeBy deadline
	changed         chan struct{} // closed and made anew at each change
}

// batch is so many bytes that come at a time.
type batch struct {
	size int
	at   time.Time
}

type deadline struct {
	at    time.Time
	timer *time.Timer
}

func newFlow(n *Network) *flow { return &flow{net: n, changed: make(chan struct{})} }

func (d *deadline) set(t time.Time, f *flow) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d.stop()
	d.at = t
	if !t.IsZero() {
		d.timer = time.AfterFunc(time.Until(t), func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.tell()
		})
	}
	f.tell()
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

// tell wakes all who wait. The caller holds mu.
func (f *flow) tell() {
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *flow) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
	f.tell()
}

func (f *flow) freeze() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.frozen = true
	f.tell()
}

// delay lets the last size bytes of buf come later. The caller holds mu.
func (f *flow) delay(size int) {
	d := f.net.lateness()
	if d == 0 && len(f.late) == 0 {
		return
	}
	at := time.Now().Add(d)
	if n := len(f.late); n > 0 && f.late[n-1].at.After(at) {
		at = f.late[n-1].at // nothing overtakes
	}
	f.late = append(f.late, batch{size, at})
	time.AfterFunc(time.Until(at), func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.tell()
	})
}

// there says how much of buf has come. The caller holds mu.
func (f *flow) there() int {
	for len(f.late) > 0 && !time.Now().Before(f.late[0].at) {
		f.late = f.late[1:]
	}
	n := len(f.buf)
	for _, b := range f.late {
		n -= b.size
	}
	return n
}

func (f *flow) finish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	f.writeBy.stop()
	f.tell()
}

func (f *flow) abandon() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.abandoned = true
	f.readBy.stop()
	f.tell()
}

// wait lets go of mu until something has changed.
func (f *flow) wait(moved <-chan struct{}) {
	changed := f.changed
	f.mu.Unlock()
	select {
	case <-changed:
	case <-moved:
	}
	f.mu.Lock()
}

func (f *flow) read(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		stalled, moved := f.net.isStalled()
		switch {
		case f.abandoned:
			return 0, net.ErrClosed
		case f.err != nil:
			return 0, f.err
		case f.readBy.passed():
			return 0, os.ErrDeadlineExceeded
		case stalled, f.frozen:
		case f.there() > 0:
			n := copy(b, f.buf[:f.there()])
			f.buf = f.buf[n:]
			f.tell()
			return n, nil
		case f.ended && len(f.buf) == 0:
			return 0, io.EOF
		}
		f.wait(moved)
	}
}

func (f *flow) write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	done := 0
	for {
		stalled, moved := f.net.isStalled()
		switch {
		case f.ended:
			return done, net.ErrClosed
		case f.err != nil, f.abandoned && !stalled && !f.frozen:
			return done, syscall.EPIPE
		case f.writeBy.passed():
			return done, os.ErrDeadlineExceeded
		case done == len(b):
			return done, nil
		case len(f.buf) < pipeRoom:
			n := min(len(b)-done, pipeRoom-len(f.buf))
			f.buf = append(f.buf, b[done:done+n]...)
			f.delay(n)
			done += n
			f.tell()
			continue
		}
		f.wait(moved)
	}
}
