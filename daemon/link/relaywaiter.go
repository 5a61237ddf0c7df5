package link

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"vchat/daemon/identity"
	"vchat/daemon/relay"
)

// A waiter waits for one peer at one relay. The device with the smaller id is
// the TLS client, and the arbiter. It waits only while it has no live link. The
// other one always waits, so that the client's link takes one round trip:
//
//	                 client   server
//	a live link      ──       waits
//	no link          waits    waits
//	no live link,
//	during a call    a new attempt every aggressiveRelay while none connects,
//	                 and now and then one beside a connection that waits
//
// An attempt is in one of these states:
//
//	dialling ──connected──▶ waiting ──ok──▶ joined ──hello──▶ a link
//	    └────────────────────┴───────────────┴──▶ ended
//
// A waiter makes the next attempt before it ends the last one, because the
// relay may hold a connection that is dead: a router has forgotten it. Once an
// attempt is joined, the server makes the next one. So does the client, unless
// the link comes soon. The link that comes first ends its other attempts.
const (
	aggressiveRelay = 300 * time.Millisecond
	relayDial       = 10 * time.Second
	relayCallDial   = 3 * time.Second // during a call without a link
	maxDialling     = 6               // attempts of a waiter
	maxAtRelay      = 2               // connections of a waiter that wait
	maxJoined       = 3               // the same that are joined, for another attempt

	goodWait          = 10 * time.Second       // after which a relay counts as good
	redundantWithin   = 500 * time.Millisecond // after a join, the relay ends the other connections
	quickInterval     = 10 * time.Second       // between attempts without a pause
	quickBurst        = 8
	introductionDelay = 5 * time.Second // into an outage, if the peer's key is known
)

// relayWaiter waits for a peer at a relay.
type relayWaiter struct {
	peer         *peer
	server       *relayServer
	introduce    bool // with the token of two devices without a common link
	ctx          context.Context
	cancel       context.CancelFunc
	wake         chan struct{}
	events       chan relayEvent
	attempts     []*relayAttempt // oldest first
	pause        *backoff
	quick        *rate.Limiter
	nextAt       time.Time // no attempt before
	lastNeed     relayNeed
	urgentAt     time.Time // when the need became urgent; zero: it is not
	staleBefore  time.Time // older attempts may be dead
	created      time.Time
	joinedAt     time.Time     // the last one
	joins        int           // in a row, without a link
	joinedDelay  time.Duration // with the last of them
	spareBackoff *backoff
	spareDelay   time.Duration // after which a waiting connection gets another one beside it, during a call

	mu      sync.Mutex
	refresh bool // the network has changed
}

// relayAttempt is one connection to a relay.
type relayAttempt struct {
	state  relayState
	since  time.Time // of the state
	began  time.Time
	took   time.Duration      // to connect
	cancel context.CancelFunc // ends it, unless it has become a link
}

type relayState int

const (
	relayDialling relayState = iota
	relayWaiting
	relayJoined
	relayEnded
)

type relayEvent struct {
	attempt *relayAttempt
	state   relayState
	linked  bool  // of relayEnded: it has become a link
	byUs    bool  // of relayEnded: we have ended it
	err     error // of relayEnded
}

// relayNeed is how a waiter has to wait.
type relayNeed int

const (
	relayNone   relayNeed = iota
	relayPark             // for the time when the link is lost
	relayWait             // without a link
	relayUrgent           // without a live link, during a call
)

func newRelayWaiter(p *peer, s *relayServer, introduce bool) *relayWaiter {
	w := &relayWaiter{peer: p, server: s, introduce: introduce, wake: make(chan struct{}, 1),
		created: time.Now(), events: make(chan relayEvent), pause: newBackoff(minRelayPause, maxRelayPause),
		quick: newQuick(), spareBackoff: newBackoff(minSpareDelay, maxRelayPause)}
	w.ctx, w.cancel = context.WithCancel(p.ctx)
	return w
}

func newQuick() *rate.Limiter { return rate.NewLimiter(rate.Every(quickInterval), quickBurst) }

// isClient reports whether this device is the TLS client at a relay.
func (w *relayWaiter) isClient() bool {
	return w.peer.links.cfg.Identity.ID().Compare(w.peer.ID) < 0
}

// run waits until ctx ends. Attempts that have become links outlive it.
func (w *relayWaiter) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	defer w.endAll()
	for {
		timer.Stop()
		if due, ok := w.due(time.Now()); ok {
			timer.Reset(time.Until(due))
		}
		select {
		case <-timer.C:
			w.start(time.Now())
		case e := <-w.events:
			w.onEvent(e, time.Now())
		case <-w.wake:
		case <-w.ctx.Done():
			return
		}
	}
}

// need returns how to wait now.
func (w *relayWaiter) need(now time.Time) relayNeed {
	p := w.peer
	known := p.links.acquaintances.isKnown(p.ID)
	p.mu.Lock()
	defer p.mu.Unlock()
	isLive := p.current != nil && !p.current.conn.Stale()
	switch {
	case !w.introduce && !known:
		return relayNone
	case isLive && (w.introduce || w.isClient()):
		return relayNone
	case isLive:
		return relayPark
	case w.introduce && known && now.Sub(latest(p.failedAt, w.created)) < introductionDelay:
		return relayNone
	case p.inCall.Load():
		return relayUrgent
	}
	return relayWait
}

// due returns when the next attempt starts, if any. It ends those that are not
// needed any more.
func (w *relayWaiter) due(now time.Time) (time.Time, bool) {
	need := w.need(now)
	w.onNeed(need, now)
	if need == relayNone {
		w.endWaiting(0)
		if w.introduce && w.peer.links.acquaintances.isKnown(w.peer.ID) && w.peer.link() == nil {
			return now.Add(introductionDelay), true // to ask again: start does nothing
		}
		return time.Time{}, false
	}
	last, urgency := w.last(), w.urgency(now)
	free := latest(w.nextAt, w.server.due(urgency))
	switch {
	case last == nil && w.isClient():
		if w.count(relayJoined) >= maxJoined {
			return time.Time{}, false
		}
		return latest(free, w.joinedAt.Add(w.joinedDelay)), true
	case last == nil, last.began.Before(w.staleBefore):
		return free, true
	case urgency == urgencyHigh && last.state == relayDialling && w.count(relayDialling) < maxDialling:
		return latest(free, last.began.Add(aggressiveRelay)), true
	case urgency != urgencyNone && last.state == relayWaiting:
		return latest(free, last.since.Add(w.spareDelay)), true
	}
	return time.Time{}, false
}

// urgency returns how urgent a link is.
func (w *relayWaiter) urgency(now time.Time) relayUrgency {
	switch {
	case w.urgentAt.IsZero():
		return urgencyNone
	case now.Sub(w.urgentAt) < highUrgencyTime:
		return urgencyHigh
	}
	return urgencyLow
}

// onNeed notes a change of the need.
func (w *relayWaiter) onNeed(need relayNeed, now time.Time) {
	w.mu.Lock()
	refresh := w.refresh
	w.refresh = false
	w.mu.Unlock()
	if refresh || need > relayPark && w.lastNeed == relayPark {
		w.staleBefore = now
	}
	if refresh || need == relayUrgent && w.lastNeed != relayUrgent {
		w.resetPauses()
	}
	switch {
	case need != relayUrgent:
		w.urgentAt = time.Time{}
	case w.urgentAt.IsZero():
		w.urgentAt = now
	}
	if need == relayPark {
		w.endWaiting(1)
	}
	w.lastNeed = need
}

// resetPauses ends all pauses, and forgets what made them longer.
func (w *relayWaiter) resetPauses() {
	w.pause.reset()
	w.nextAt = time.Time{}
	w.joins, w.joinedDelay = 0, minJoinedDelay
	w.spareBackoff.reset()
	w.spareDelay = w.spareBackoff.next()
}

// last returns the newest attempt that is not joined, or nil.
func (w *relayWaiter) last() *relayAttempt {
	for _, a := range slices.Backward(w.attempts) {
		if a.state <= relayWaiting {
			return a
		}
	}
	return nil
}

func (w *relayWaiter) count(state relayState) (n int) {
	for _, a := range w.attempts {
		if a.state == state {
			n++
		}
	}
	return n
}

// endWaiting ends the attempts that are not joined, but for the newest ones
// that wait already.
func (w *relayWaiter) endWaiting(keep int) {
	for _, a := range slices.Backward(w.attempts) {
		switch {
		case a.state == relayWaiting && keep > 0:
			keep--
		case a.state <= relayWaiting && (a.state == relayWaiting || keep == 0):
			a.cancel()
		}
	}
}

func (w *relayWaiter) endAll() {
	for _, a := range w.attempts {
		a.cancel()
	}
	for len(w.attempts) > 0 {
		w.onEvent(<-w.events, time.Now())
	}
}

// start begins an attempt.
func (w *relayWaiter) start(now time.Time) {
	need := w.need(now)
	if need == relayNone || !w.server.begin(w.urgency(now), now) {
		return
	}
	if w.count(relayWaiting) > 0 {
		w.spareDelay = w.spareBackoff.next()
	}
	token, err := w.token()
	if err != nil {
		w.nextAt = now.Add(maxRelayPause)
		return
	}
	ctx, cancel := context.WithCancel(w.ctx)
	a := &relayAttempt{began: now, since: now, cancel: cancel}
	w.attempts = append(w.attempts, a)
	timeout := relayDial
	switch {
	case w.server.proxy != nil:
		timeout = proxyTimeout
	case need == relayUrgent:
		timeout = relayCallDial
	}
	w.peer.links.work.Go(func() { w.attempt(ctx, a, token, timeout) })
}

func (w *relayWaiter) token() (identity.RelayToken, error) {
	own, p := w.peer.links.cfg.Identity, w.peer
	if w.introduce {
		return identity.RelayIntroduction(own.ID(), p.ID), nil
	}
	return p.links.acquaintances.relayToken(p.ID)
}

// onEvent handles the progress of an attempt.
func (w *relayWaiter) onEvent(e relayEvent, now time.Time) {
	a := e.attempt
	was := a.state
	waited := now.Sub(a.since)
	a.state, a.since = e.state, now
	switch e.state {
	case relayWaiting:
		a.took = now.Sub(a.began)
		w.server.onSuccess(false)
		keep := maxAtRelay
		if w.lastNeed != relayUrgent {
			keep = 1
		}
		w.endDialling()
		w.endWaiting(keep)
	case relayJoined:
		w.onJoined(a, now)
	case relayEnded:
		w.attempts = slices.DeleteFunc(w.attempts, func(x *relayAttempt) bool { return x == a })
		w.onEnded(was, waited, e, now)
	}
}

// onJoined sets when the next attempt may start. The server's starts at once,
// but a stranger that knows the token of an introduction must not make us
// connect in a loop.
func (w *relayWaiter) onJoined(a *relayAttempt, now time.Time) {
	w.joinedAt = now
	w.joins++
	w.joinedDelay = joinedDelay(a.took, w.joins)
	switch {
	case w.isClient(), w.quick.AllowN(now, 1):
		w.nextAt = time.Time{}
	default:
		w.nextAt = now.Add(w.pause.next())
	}
}

// onLinked ends the client's other attempts. It is the arbiter, and has
// decided.
func (w *relayWaiter) onLinked(now time.Time) {
	w.server.onSuccess(true)
	w.resetPauses()
	w.quick = newQuick()
	w.joinedAt = now
	if w.isClient() {
		for _, a := range w.attempts {
			a.cancel()
		}
	}
}

// endDialling ends the attempts that have not connected yet: another one has.
func (w *relayWaiter) endDialling() {
	for _, a := range w.attempts {
		if a.state == relayDialling {
			a.cancel()
		}
	}
}

// onEnded sets when the next attempt may start, after one has ended in a state.
func (w *relayWaiter) onEnded(was relayState, waited time.Duration, e relayEvent, now time.Time) {
	switch {
	case e.linked:
		w.onLinked(now)
		return
	case e.byUs:
		return
	case was == relayJoined && w.peer.link() != nil:
		return // another one has become the link
	case was == relayWaiting && waited >= goodWait:
		w.pause.reset()
	}
	isRedundant := was == relayWaiting && now.Sub(w.joinedAt) < redundantWithin
	if isRedundant || was == relayWaiting && w.quick.AllowN(now, 1) {
		w.nextAt = time.Time{}
		return
	}
	w.server.onFailure(e.err, was == relayDialling, now)
	if was == relayWaiting {
		w.nextAt = now.Add(w.nextPause(e.err, now))
	}
}

// nextPause returns the pause after an error of a waiting connection. A relay
// that closes may be one that restarts behind a proxy: a call does not wait for
// long. One that answers with garbage will do so again.
func (w *relayWaiter) nextPause(err error, now time.Time) time.Duration {
	pause := w.pause.next()
	if urgency := w.urgency(now); urgency == urgencyNone || !errors.Is(err, relay.ErrClosed) {
		return pause
	} else if urgency == urgencyHigh {
		return callPause()
	}
	return min(pause, relayLongPause)
}
