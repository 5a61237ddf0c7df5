package link

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"vchat/daemon/transport"
)

// How often a peer is dialled:
//
//	a live link, or no address ── not at all; see found.go for announced ones
//	a live link by a relay     ── one attempt at a time, every few seconds
//	no link, no call           ── one attempt at a time, pauses of 0.1 to 2 s
//	no link or a stale one,
//	during a call              ── a new attempt every aggressiveInterval
//
// The last is for networks that come back. The kernel retransmits a lost SYN
// only after a second, and a lost part of a handshake after 0.2 s. An attempt
// tries the peer's addresses as RFC 8305 says, but a connection wins by its
// hello, not by TCP: a wrong device at one address does not delay the others.
// Most attempts during a call give up early; one in fullEvery waits as long as
// slow networks need.
const (
	aggressiveInterval = 150 * time.Millisecond
	aggressiveTimeout  = time.Second // for TCP and TLS
	fullEvery          = 6
	attemptDelay       = 150 * time.Millisecond // between two addresses (RFC 8305, section 8: at least 100 ms)
	maxConnecting      = 32                     // connections to one peer before the hello: about 12 for each address
	confirmFor         = 5 * time.Minute        // how long into an outage the neighbour is confirmed
	permanentRetry     = 10 * time.Second       // the longest pause after a permanent error
)

// dialer is the state of keepDialling.
type dialer struct {
	peer       *peer
	ctx        context.Context // of the attempts under way; nil: there are none
	cancel     context.CancelFunc
	results    chan result
	running    int // attempts of ctx that have not ended
	started    int // attempts since the link was lost
	lastStart  time.Time
	firstStart time.Time    // of the attempts of ctx
	connecting atomic.Int32 // connections before the hello
}

// result is the error of an attempt.
type result struct {
	ctx context.Context // of the attempt
	err error
}

// urgency is how a peer is dialled.
type urgency int

const (
	dialNone urgency = iota
	dialSingle
	dialAggressive
)

// urgency returns how to dial now, and the earliest time for it.
func (p *peer) urgency() (urgency, time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.book.configured == "" && len(p.book.found) == 0 {
		return dialNone, time.Time{}
	}
	earliest := p.retryAt
	if p.book.configured == "" {
		earliest = latest(earliest, p.book.foundDue(p.inCall.Load()))
	}
	switch {
	case p.current == nil && !p.inCall.Load():
		return dialSingle, earliest
	case p.current == nil || p.current.conn.Stale():
		return dialAggressive, earliest
	case p.current.route.path == PathRelay:
		return dialSingle, earliest
	}
	return dialNone, time.Time{}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// keepDialling makes a link whenever there is no live one.
func (p *peer) keepDialling() {
	d := dialer{peer: p, results: make(chan result)}
	defer d.stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	lasting := time.NewTimer(0)
	defer lasting.Stop()
	for {
		timer.Stop()
		lasting.Stop()
		if wait, ok := p.untilLasting(); ok {
			lasting.Reset(max(wait, time.Millisecond))
		}
		if due, ok := d.due(); ok {
			timer.Reset(time.Until(due))
		}
		select {
		case <-timer.C:
			d.start()
		case r := <-d.results:
			d.onResult(r)
		case <-lasting.C:
			p.logLasting()
		case <-p.wake:
		case <-p.ctx.Done():
			return
		}
	}
}

// due returns when the next attempt starts, if any. It ends those under way
// when there is nothing to dial any more.
func (d *dialer) due() (time.Time, bool) {
	need, earliest := d.peer.urgency()
	if need == dialNone {
		d.stop()
		return time.Time{}, false
	}
	if need == dialSingle && d.running > 0 {
		return time.Time{}, false
	}
	if next := d.lastStart.Add(aggressiveInterval); earliest.Before(next) {
		earliest = next
	}
	return earliest, true
}

// start begins an attempt.
func (d *dialer) start() {
	p := d.peer
	d.lastStart = time.Now()
	if d.connecting.Load() >= maxConnecting {
		return
	}
	if d.ctx == nil {
		d.ctx, d.cancel = context.WithCancel(p.ctx)
		d.firstStart = d.lastStart
	}
	need, _ := p.urgency()
	a := p.newAttempt(&d.connecting, d.started%fullEvery == 0 || need != dialAggressive)
	p.mu.Lock()
	neighbour := p.book.lastRemote
	p.mu.Unlock()
	d.started++
	if len(a.untried)+len(a.found) == 0 && (!a.full || a.address == "") {
		return // the full attempt still resolves the name
	}
	if a.full && p.inCall.Load() && d.lastStart.Sub(d.firstStart) < confirmFor {
		_ = transport.ConfirmNeighbour(neighbour)
	}
	d.running++
	ctx := d.ctx
	p.links.work.Go(func() {
		r := result{ctx, a.run(ctx)}
		select {
		case d.results <- r:
		case <-p.ctx.Done():
		}
	})
}

// newAttempt returns an attempt at the addresses of p.
func (p *peer) newAttempt(connecting *atomic.Int32, full bool) attempt {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := attempt{peer: p, connecting: connecting, full: full,
		address: p.book.configured, proxy: p.book.proxy, untried: p.book.candidates(),
		found: p.book.foundCandidates(time.Now(), full, p.inCall.Load())}
	if a.proxy != nil && !full {
		a.untried = nil // a circuit of Tor takes seconds
	}
	return a
}

// stop ends the attempts under way. Arbitration decides about connections that
// have exchanged hellos.
func (d *dialer) stop() {
	if d.ctx != nil {
		d.cancel()
		d.ctx = nil
	}
	d.running, d.started = 0, 0
}

// onResult handles the end of an attempt.
func (d *dialer) onResult(r result) {
	p := d.peer
	if r.ctx != d.ctx {
		return // stopped
	}
	d.running--
	p.onFailure(r.err)
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.err != nil && !errors.Is(r.err, errReplaced) {
		p.directErr = r.err
	}
	switch {
	case isPermanent(r.err):
		p.retryAt = time.Now().Add(permanentRetry/2 + rand.N(permanentRetry/2))
	case p.current != nil:
		p.retryAt = time.Now().Add(upgradePause/2 + rand.N(upgradePause/2))
	case !p.inCall.Load():
		p.retryAt = time.Now().Add(p.pause.next())
		d.started = 0 // without a call each attempt is a full one
	}
}
