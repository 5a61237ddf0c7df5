package link

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"vchat/daemon/resolve"
	"vchat/daemon/socks"
)

// proxyTimeout is how long a connection by a proxy may take: Tor looks for the
// peer first.
const (
	proxyTimeout = 20 * time.Second
	// proxyMargin is how much earlier than its attempt a connection by a proxy
	// gives up. Its error says what the proxy does; the attempt's does not.
	proxyMargin = 500 * time.Millisecond
)

// attempt dials the addresses of a peer as Happy Eyeballs does (RFC 8305). Its
// goroutine starts one for each connection and one that resolves the name.
type attempt struct {
	peer       *peer
	connecting *atomic.Int32 // connections before the hello, of all attempts
	full       bool          // resolves the name, and waits long enough for slow networks
	greeted    func(*Link)   // if not nil, called for each connection that has exchanged hellos
	address    string        // as configured; may be empty
	proxy      *socks.Proxy  // by which address is dialled; nil: none
	untried    []string      // best first
	found      []string      // tried after those, see found.go
	tried      []string
	err        error
	foundErr   error // of found addresses; it counts for less
}

type resolution struct {
	addresses []string
	err       error
}

// run connects until all connections have ended, or until ctx ends. It returns
// why there is no link. A connection that has exchanged hellos outlives ctx:
// arbitration ends it.
func (a *attempt) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, a.timeout())
	defer cancel()
	done := make(chan struct{})
	defer close(done)
	ended, endedFound, connected := make(chan error), make(chan error), make(chan struct{})
	report := func(to chan<- error, err error) {
		select {
		case to <- err:
		case <-done:
		}
	}
	onHello := sync.OnceFunc(func() { close(connected) })
	hello := (<-chan struct{})(connected)
	var resolved <-chan resolution
	if a.full && a.address != "" && a.proxy == nil {
		resolved = a.resolve(ctx)
	}
	next := time.NewTimer(0)
	defer next.Stop()
	grace := time.NewTimer(foundGrace)
	defer grace.Stop()
	running, runningFound := 0, 0
	for resolved != nil || running+runningFound > 0 || len(a.untried)+len(a.found) > 0 {
		var start, over <-chan time.Time
		if len(a.untried)+len(a.found) > 0 {
			start = next.C
		}
		if resolved == nil && running == 0 && len(a.untried) == 0 && isPermanent(a.err) {
			over = grace.C // users must see a.err soon
		} else {
			grace.Reset(foundGrace)
		}
		select {
		case <-over:
			return a.err
		case r := <-resolved:
			resolved = nil
			a.onResolved(r)
		case <-start:
			if address, isFound := a.next(); isFound {
				runningFound++
				a.peer.links.work.Go(func() { report(endedFound, a.connectFound(ctx, address, onHello)) })
			} else {
				running++
				a.peer.links.work.Go(func() { report(ended, a.connect(ctx, address, false, onHello)) })
			}
			next.Reset(attemptDelay)
		case err := <-ended:
			running--
			a.onError(err)
			next.Reset(0)
		case err := <-endedFound:
			runningFound--
			a.onError(err)
			next.Reset(0)
		case <-hello: // no other address is needed
			hello, resolved, a.untried, a.found = nil, nil, nil, nil
		case <-ctx.Done():
			if running > 0 || resolved != nil || a.address == "" {
				a.onError(&stepError{a.step(), DialError(a.where(), ctx.Err())})
			}
			return a.result()
		}
	}
	return a.result()
}

// timeout returns how long the attempt may take.
func (a *attempt) timeout() time.Duration {
	switch {
	case a.proxy != nil:
		return proxyTimeout + proxyMargin
	case a.full:
		return 2 * handshakeTimeout // one of them for the name
	}
	return aggressiveTimeout
}

// next takes the next address to dial.
func (a *attempt) next() (address string, isFound bool) {
	if len(a.untried) > 0 {
		address, a.untried = a.untried[0], a.untried[1:]
	} else {
		address, a.found, isFound = a.found[0], a.found[1:], true
	}
	a.tried = append(a.tried, address)
	return address, isFound
}

// where returns what is dialled, for an error.
func (a *attempt) where() string {
	if a.address == "" {
		return "announced addresses"
	}
	return a.address
}

func (a *attempt) result() error {
	if a.err == nil {
		return a.foundErr
	}
	return a.err
}

// resolve looks up the name each time: with a new DHCP lease a peer may have
// another address.
func (a *attempt) resolve(ctx context.Context) <-chan resolution {
	result := make(chan resolution, 1)
	a.peer.links.work.Go(func() {
		addresses, err := resolve.Addresses(ctx, a.peer.links.cfg.Lookup, a.address)
		result <- resolution{addresses, err}
	})
	return result
}

func (a *attempt) onResolved(r resolution) {
	if r.err != nil {
		a.onError(&stepError{StepResolve, r.err})
		return
	}
	p := a.peer
	p.mu.Lock()
	if p.book.configured == a.address {
		p.book.resolved = r.addresses
	}
	p.mu.Unlock()
	p.links.admission.know(p.Name, origins(r.addresses)...)
	for _, x := range r.addresses {
		if !slices.Contains(a.tried, x) && !slices.Contains(a.untried, x) {
			a.untried = append(a.untried, x)
		}
	}
	a.found = slices.DeleteFunc(a.found, func(x string) bool { return slices.Contains(a.untried, x) })
}

// onError keeps the error to report. A temporary error at one address counts
// for more than a wrong device at another.
func (a *attempt) onError(err error) {
	if errors.Is(err, errNotFoundThere) {
		a.foundErr = err
		return
	}
	if err != nil && (a.err == nil || isPermanent(a.err) && !isPermanent(err)) {
		a.err = err
	}
}

// step returns what the attempt is doing.
func (a *attempt) step() Step {
	if len(a.tried) == 0 {
		return StepResolve
	}
	return StepConnect
}

// connect makes one connection and serves it to its end. It calls onHello when
// the hellos are exchanged.
func (a *attempt) connect(ctx context.Context, address string, isFound bool, onHello func()) error {
	a.connecting.Add(1)
	done := sync.OnceFunc(func() { a.connecting.Add(-1) })
	defer done()
	name := address
	if !isFound && address != a.address {
		name = a.address + " (" + address + ")"
	}
	timeout, via := handshakeTimeout, route{}
	dial := func(ctx context.Context) (net.Conn, error) { return a.peer.links.cfg.Dial(ctx, "tcp", address) }
	if a.proxy != nil && !isFound {
		timeout, via = proxyTimeout, route{PathProxy, address}
		if end, ok := ctx.Deadline(); ok {
			timeout = min(timeout, time.Until(end)-proxyMargin)
		}
		dial = func(ctx context.Context) (net.Conn, error) { return a.proxy.Dial(ctx, a.peer.links.cfg.Dial, address) }
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := dial(ctx)
	if err != nil {
		return &stepError{StepConnect, DialError(name, err)}
	}
	return a.peer.links.serveDialled(ctx, a.peer, name, isFound, via, conn, func(l *Link) {
		done()
		onHello()
		if a.greeted != nil {
			a.greeted(l)
		}
	})
}
