package link

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"vchat/daemon/transport"
)

// When a peer is dialled, and how often:
//
//	a link that is heard, or no address ── not at all
//	no link, no call                    ── one attempt at a time, with pauses from 0.1 to 2 s between them
//	no link but a call, or a suspect one ── one attempt every hasteEvery, whatever has become of the others
//
// The last is for networks that come back: a SYN that was lost is repeated by the kernel after a second and later, and what
// is lost of a handshake after a fifth of one. An attempt goes through the peer's addresses as RFC 8305 says, but takes TLS
// and hello into the race, so that a wrong device at one of them is in nobody's way. Most of the attempts in haste give up
// early; one in patientOne has all the time that slow networks need.
const (
	hasteEvery    = 150 * time.Millisecond
	hasteTime     = time.Second // for TCP and TLS
	patientOne    = 6
	addressDelay  = 150 * time.Millisecond // between two addresses (RFC 8305, section 8: 100 ms at least)
	maxTries      = 32                     // connections under way to one peer: about 12 for each of its addresses
	neighbourTime = 5 * time.Minute        // into a cut
	rareDial      = 10 * time.Second       // the longest pause after a hopeless try
)

// dialler is the state of keepDialling.
type dialler struct {
	peer    *peer
	ctx     context.Context // of the attempts under way; nil: there are none
	cancel  context.CancelFunc
	results chan result
	running int // attempts of this ctx that have not ended
	started int // attempts since there was a link to rely on
	last    time.Time
	begun   time.Time    // of the first of them
	tries   atomic.Int32 // connections under way that have not agreed yet
}

// result is what became of an attempt that made no link.
type result struct {
	ctx context.Context // which attempts it belongs to
	err error
}

// urgency is how much a peer is to be dialled.
type urgency int

const (
	notAtAll urgency = iota
	singly
	haste
)

// urgency says whether there is anything to dial, and the earliest time for it.
func (p *peer) urgency() (urgency, time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.book.address == "":
		return notAtAll, time.Time{}
	case p.current == nil && !p.wanted.Load():
		return singly, p.notUntil
	case p.current == nil || p.current.conn.Stale():
		return haste, p.notUntil
	}
	return notAtAll, time.Time{}
}

// keepDialling makes a link whenever there is none that is heard.
func (p *peer) keepDialling() {
	d := dialler{peer: p, results: make(chan result)}
	defer d.stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Stop()
		if due, ok := d.due(); ok {
			timer.Reset(time.Until(due))
		}
		select {
		case <-timer.C:
			d.start()
		case r := <-d.results:
			d.ended(r)
		case <-p.wake:
		case <-p.ctx.Done():
			return
		}
	}
}

// due says when the next attempt is to start, if any. Where there is nothing to dial any more, those under way end.
func (d *dialler) due() (time.Time, bool) {
	need, earliest := d.peer.urgency()
	if need == notAtAll {
		d.stop()
		return time.Time{}, false
	}
	if need == singly && d.running > 0 {
		return time.Time{}, false
	}
	if next := d.last.Add(hasteEvery); earliest.Before(next) {
		earliest = next
	}
	return earliest, true
}

// start begins an attempt.
func (d *dialler) start() {
	p := d.peer
	d.last = time.Now()
	if d.tries.Load() >= maxTries {
		return
	}
	if d.ctx == nil {
		d.ctx, d.cancel = context.WithCancel(p.ctx)
		d.begun = d.last
	}
	a := attempt{peer: p, tries: &d.tries, patient: d.started%patientOne == 0}
	p.mu.Lock()
	a.address, a.waiting = p.book.address, p.book.candidates()
	neighbour := p.book.last
	p.mu.Unlock()
	d.started++
	if !a.patient && len(a.waiting) == 0 {
		return // the name is being looked up
	}
	if a.patient && p.wanted.Load() && d.last.Sub(d.begun) < neighbourTime {
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

// stop ends the attempts under way, but for those that have said hello: of these the chooser decides.
func (d *dialler) stop() {
	if d.ctx != nil {
		d.cancel()
		d.ctx = nil
	}
	d.running, d.started = 0, 0
}

// ended hears what became of an attempt.
func (d *dialler) ended(r result) {
	p := d.peer
	if r.ctx != d.ctx {
		return // of before there was a link
	}
	d.running--
	p.fail(r.err)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case hopeless(r.err):
		p.notUntil = time.Now().Add(rareDial/2 + rand.N(rareDial/2))
	case !p.wanted.Load():
		p.notUntil = time.Now().Add(p.pause.next())
		d.started = 0 // without haste each is a patient one
	}
}
