package link

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"vchat/daemon/wire"
)

// Step is a step on the way to a link.
type Step int

// The steps, in their order.
const (
	StepAddress  Step = iota + 1 // an address is known
	StepResolve                  // its name has IP addresses
	StepConnect                  // one of them accepts the TCP connection
	StepTLS                      // the TLS handshake
	StepIdentity                 // each device accepts the key of the other
	StepVersion                  // both support a version of the protocol
	StepHello                    // the hellos are exchanged
)

// stepError is an error of a step.
type stepError struct {
	step Step
	error
}

func (e *stepError) Unwrap() error { return e.error }

// stepOf returns the step that has failed with err.
func stepOf(err error) Step {
	if s, ok := errors.AsType[*stepError](err); ok {
		return s.step
	}
	if f, ok := errors.AsType[*foundError](err); ok {
		return stepOf(f.err)
	}
	switch {
	case errors.Is(err, ErrWrongIdentity), errors.Is(err, ErrRefused):
		return StepIdentity
	case errors.Is(err, wire.ErrVersion):
		return StepVersion
	}
	return StepHello
}

// Probe is the result of one attempt to reach a peer.
type Probe struct {
	Up        bool     // there was a link, and nothing was dialled
	Addresses []string // "IP:port", those that were dialled
	Remote    string   // address of the peer; "" if it was not reached
	Incoming  bool     // the peer has dialled
	Software  string   // the peer's program and version
	Version   int      // of the protocol between the two devices
	Err       error    // nil: the peer was reached
	Failed    Step     // of Err
}

const (
	probeTimeout      = handshakeTimeout + time.Second   // one of them for the name
	probeProxyTimeout = handshakeTimeout + 3*time.Second // Tor looks for the peer first
	probeMemory       = time.Second                      // how long a result counts for the next who asks
)

var (
	errNoPeer    = errors.New("no such peer")
	errNoAddress = errors.New("no address is known: the other device must connect to this one")
)

// probes makes the probes of one peer take turns, and keeps the last result.
type probes struct {
	turn   chan struct{} // capacity 1
	last   Probe
	lastAt time.Time
}

// Probe tries once to reach a peer and reports how far it gets. It dials as for
// a link, and a connection that succeeds becomes the link. It dials nothing if
// there is a link, or if the last probe ended less than a second ago. It
// returns within six seconds after its turn, eight by a proxy, or when ctx
// ends.
func (ls *Links) Probe(ctx context.Context, name string) Probe {
	ls.mu.Lock()
	p := ls.peers[name]
	if p == nil || p.ctx == nil || ls.over {
		ls.mu.Unlock()
		return Probe{Err: errNoPeer, Failed: StepAddress}
	}
	result := make(chan Probe, 1)
	ls.work.Go(func() { result <- p.probe(ctx) })
	ls.mu.Unlock()
	return <-result
}

// probe waits for its turn.
func (p *peer) probe(ctx context.Context) Probe {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	select {
	case p.probes.turn <- struct{}{}:
		defer func() { <-p.probes.turn }()
	case <-ctx.Done():
		return Probe{Err: ctx.Err(), Failed: StepAddress}
	}
	if l := p.link(); l != nil {
		r := p.probed(l)
		r.Up = true
		return r
	}
	if last := &p.probes; last.lastAt.IsZero() || time.Since(last.lastAt) > probeMemory {
		last.last = p.reach(ctx)
		last.lastAt = time.Now()
	}
	return p.probes.last
}

// reach makes one attempt, apart from those of the dialer.
func (p *peer) reach(ctx context.Context) Probe {
	a := p.newAttempt(new(atomic.Int32), true)
	timeout := probeTimeout
	if a.proxy != nil {
		timeout = probeProxyTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	p.mu.Lock()
	a.found = p.book.foundAll()
	p.mu.Unlock()
	if a.address == "" && len(a.untried)+len(a.found) == 0 {
		if err := p.whyNotByRelay(); err != nil {
			return Probe{Err: err, Failed: StepAddress}
		}
		return Probe{Err: errNoAddress, Failed: StepAddress}
	}
	reached := make(chan *Link, 1)
	a.greeted = func(l *Link) {
		select {
		case reached <- l:
		default:
		}
		cancel() // the other addresses are not needed
	}
	err := a.run(ctx)
	r := Probe{Err: err, Failed: stepOf(err)}
	if err != nil {
		r.Err = p.whyNotByRelayEither(err)
	}
	select {
	case l := <-reached:
		r = p.probed(l)
	default:
	}
	r.Addresses = a.tried
	return r
}

// probed returns what is known from the hello of a peer.
func (p *peer) probed(l *Link) Probe {
	version, _ := wire.Agree(p.links.hello(), l.theirs) // l exists, so they agree
	return Probe{Remote: l.Remote(), Incoming: !l.dialled, Software: l.theirs.Software, Version: int(version)}
}
