// Package daemontest provides test devices and a test network. Device is a
// complete daemon on loopback. Network is a network in memory that can be cut,
// stalled and delayed, and works in fake time.
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

// flowBuffer is how many bytes can be in flight in each direction of a
// connection before a writer blocks, as with the buffers of a socket.
const flowBuffer = 256 << 10

// Network connects dialers to listeners in memory. It blocks on channels only,
// so it works in a testing/synctest bubble. It is safe for concurrent use.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*listener
	conns     map[*pipeConn]struct{}
	stalled   bool
	delay     time.Duration
	changed   chan struct{} // closed and replaced when stalled changes
	dials     int
}

// NewNetwork returns a network without listeners.
func NewNetwork() *Network {
	return &Network{listeners: map[string]*listener{}, conns: map[*pipeConn]struct{}{}, changed: make(chan struct{})}
}

// Listen listens on an address, which may be any string.
func (n *Network) Listen(address string) net.Listener {
	l := &listener{net: n, address: address, incoming: make(chan net.Conn), done: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners[address] = l
	return l
}

// Dial connects to a listener. Without one it returns ECONNREFUSED. On a
// stalled network it waits until ctx is done.
func (n *Network) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	n.dials++
	l, stalled, rtt := n.listeners[address], n.stalled, 2*n.delay
	n.mu.Unlock()
	if stalled {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if rtt > 0 {
		select {
		case <-time.After(rtt):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if l == nil {
		return nil, &net.OpError{Op: "dial", Net: "memory", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	local, remote := n.pipe(address)
	select {
	case l.incoming <- remote:
		return local, nil
	case <-l.done:
	case <-ctx.Done():
	}
	_ = local.Close()
	_ = remote.Close()
	return nil, os.NewSyscallError("connect", syscall.ECONNREFUSED)
}

// Dials returns the number of calls of Dial.
func (n *Network) Dials() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials
}

// Cut resets all connections. New ones can be opened at once.
func (n *Network) Cut() {
	n.mu.Lock()
	conns := slices.Collect(maps.Keys(n.conns))
	n.mu.Unlock()
	for _, c := range conns { // without mu: a flow takes it while it holds its own
		c.in.fail(syscall.ECONNRESET)
		c.out.fail(syscall.ECONNRESET)
	}
}

// Stall stops all traffic without closing connections, as an unplugged cable
// does, or lets it continue.
func (n *Network) Stall(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stalled = on
	close(n.changed)
	n.changed = make(chan struct{})
}

// Freeze stops the traffic of the existing connections for good, as a TCP
// retransmission timeout does for a while. New connections work.
func (n *Network) Freeze() {
	n.mu.Lock()
	conns := slices.Collect(maps.Keys(n.conns))
	n.mu.Unlock()
	for _, c := range conns {
		c.in.freeze()
		c.out.freeze()
	}
}

// Delay sets the one-way delay of all bytes that are sent from now on.
func (n *Network) Delay(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.delay = d
}

func (n *Network) isStalled() (bool, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.stalled, n.changed
}

func (n *Network) oneWayDelay() time.Duration {
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

// pipeConn is one end of a connection; it implements net.Conn.
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
	inFlight        []segment // the tail of buf that has not arrived, in order
	frozen          bool
	ended           bool  // the writer has closed: the reader reads the rest, then io.EOF
	abandoned       bool  // the reader has closed: writes fail, unless stalled or frozen
	err             error // of a reset
	readBy, writeBy deadline
	changed         chan struct{} // closed and replaced at each change
}

// segment is a number of bytes that arrive at the same time.
type segment struct {
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
			f.notify()
		})
	}
	f.notify()
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

// notify wakes all waiters. The caller holds mu.
func (f *flow) notify() {
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *flow) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
	f.notify()
}

func (f *flow) freeze() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.frozen = true
	f.notify()
}

// delay delays the arrival of the last size bytes of buf. The caller holds mu.
func (f *flow) delay(size int) {
	d := f.net.oneWayDelay()
	if d == 0 && len(f.inFlight) == 0 {
		return
	}
	at := time.Now().Add(d)
	if n := len(f.inFlight); n > 0 && f.inFlight[n-1].at.After(at) {
		at = f.inFlight[n-1].at // in order
	}
	f.inFlight = append(f.inFlight, segment{size, at})
	time.AfterFunc(time.Until(at), func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.notify()
	})
}

// arrived returns how many bytes of buf have arrived. The caller holds mu.
func (f *flow) arrived() int {
	for len(f.inFlight) > 0 && !time.Now().Before(f.inFlight[0].at) {
		f.inFlight = f.inFlight[1:]
	}
	n := len(f.buf)
	for _, s := range f.inFlight {
		n -= s.size
	}
	return n
}

func (f *flow) finish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	f.writeBy.stop()
	f.notify()
}

func (f *flow) abandon() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.abandoned = true
	f.readBy.stop()
	f.notify()
}

// wait releases mu until the flow or the network has changed.
func (f *flow) wait(netChanged <-chan struct{}) {
	changed := f.changed
	f.mu.Unlock()
	select {
	case <-changed:
	case <-netChanged:
	}
	f.mu.Lock()
}

func (f *flow) read(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		stalled, netChanged := f.net.isStalled()
		switch {
		case f.abandoned:
			return 0, net.ErrClosed
		case f.err != nil:
			return 0, f.err
		case f.readBy.passed():
			return 0, os.ErrDeadlineExceeded
		case stalled, f.frozen:
		case f.arrived() > 0:
			n := copy(b, f.buf[:f.arrived()])
			f.buf = f.buf[n:]
			f.notify()
			return n, nil
		case f.ended && len(f.buf) == 0:
			return 0, io.EOF
		}
		f.wait(netChanged)
	}
}

func (f *flow) write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	done := 0
	for {
		stalled, netChanged := f.net.isStalled()
		switch {
		case f.ended:
			return done, net.ErrClosed
		case f.err != nil, f.abandoned && !stalled && !f.frozen:
			return done, syscall.EPIPE
		case f.writeBy.passed():
			return done, os.ErrDeadlineExceeded
		case done == len(b):
			return done, nil
		case len(f.buf) < flowBuffer:
			n := min(len(b)-done, flowBuffer-len(f.buf))
			f.buf = append(f.buf, b[done:done+n]...)
			f.delay(n)
			done += n
			f.notify()
			continue
		}
		f.wait(netChanged)
	}
}
