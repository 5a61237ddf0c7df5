package soak

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// proxy forwards TCP connections to a device, as a network with faults.
type proxy struct {
	listener net.Listener
	target   string
	done     context.CancelFunc
	ctx      context.Context
	running  sync.WaitGroup

	mu      sync.Mutex
	cut     bool          // new connections are reset
	stalled chan struct{} // closed at the end of the stall; nil: none
	rate    int           // bytes a second in each direction; 0: no limit
	conns   map[*net.TCPConn]struct{}
}

func newProxy(target string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l, target: target, conns: map[*net.TCPConn]struct{}{}}
	p.ctx, p.done = context.WithCancel(context.Background())
	p.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.running.Go(func() { p.serve(c.(*net.TCPConn)) })
		}
	})
	return p, nil
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) close() {
	p.done()
	p.listener.Close()
	p.reset()
	p.running.Wait()
}

// reset resets all connections.
func (p *proxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.SetLinger(0)
		c.Close()
	}
}

// setCut cuts the network, or ends the cut.
func (p *proxy) setCut(on bool) {
	p.mu.Lock()
	p.cut = on
	p.mu.Unlock()
	if on {
		p.reset()
	}
}

// setStalled stops all traffic without a sign of it, or lets it continue.
func (p *proxy) setStalled(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if on && p.stalled == nil {
		p.stalled = make(chan struct{})
	} else if !on && p.stalled != nil {
		close(p.stalled)
		p.stalled = nil
	}
}

func (p *proxy) setRate(bytesPerSecond int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = bytesPerSecond
}

// add remembers connections. It reports false while the network is cut.
func (p *proxy) add(conns ...*net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut || p.ctx.Err() != nil {
		return false
	}
	for _, c := range conns {
		// A short queue, as in a router: what is in it cannot be taken back.
		_ = c.SetReadBuffer(32 << 10)
		_ = c.SetWriteBuffer(32 << 10)
		p.conns[c] = struct{}{}
	}
	return true
}

func (p *proxy) serve(a *net.TCPConn) {
	defer a.Close()
	if !p.add(a) {
		_ = a.SetLinger(0)
		return
	}
	defer p.forget(a)
	p.waitStalled()
	c, err := (&net.Dialer{}).DialContext(p.ctx, "tcp", p.target)
	if err != nil {
		_ = a.SetLinger(0) // the device is down: refused, as without the proxy
		return
	}
	b := c.(*net.TCPConn)
	defer b.Close()
	if !p.add(b) {
		return
	}
	defer p.forget(b)
	var both sync.WaitGroup
	both.Go(func() { p.copy(a, b) })
	both.Go(func() { p.copy(b, a) })
	both.Wait()
}

func (p *proxy) forget(c *net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// copy forwards one direction until it ends, with what the network does.
func (p *proxy) copy(to, from *net.TCPConn) {
	b := make([]byte, 16<<10)
	for {
		n, err := from.Read(b)
		p.waitStalled()
		if n > 0 {
			p.mu.Lock()
			rate := p.rate
			p.mu.Unlock()
			if rate > 0 {
				time.Sleep(time.Duration(n) * time.Second / time.Duration(rate))
			}
			if _, err := to.Write(b[:n]); err != nil {
				_ = from.SetLinger(0)
				from.Close()
				return
			}
		}
		if err == io.EOF {
			_ = to.CloseWrite()
			return
		}
		if err != nil {
			_ = to.SetLinger(0)
			to.Close()
			return
		}
	}
}

func (p *proxy) waitStalled() {
	p.mu.Lock()
	stalled := p.stalled
	p.mu.Unlock()
	if stalled != nil {
		select {
		case <-stalled:
		case <-p.ctx.Done():
		}
	}
}
