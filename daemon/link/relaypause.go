package link

import (
	"math/rand/v2"
	"time"
)

const (
	minRelayPause = time.Second
	maxRelayPause = 30 * time.Second
	// During a call, a relay that is back must be noticed within a second, and
	// by both devices. Later it may take longer.
	relayCallPause  = 750 * time.Millisecond
	relayLongPause  = 3 * time.Second
	highUrgencyTime = time.Minute

	// A relay may join a connection with one that is dead.
	minJoinedDelay = 250 * time.Millisecond
	maxJoinedDelay = time.Second // as the first one
	// A waiting connection may be dead itself, if a router has forgotten it.
	minSpareDelay = 600 * time.Millisecond
)

// relayUrgency is how urgent a link by a relay is.
type relayUrgency int

const (
	urgencyNone relayUrgency = iota // no call
	urgencyLow                      // an outage of a call that lasts for more than a minute
	urgencyHigh                     // a younger one
)

// relayBackoff says when a relay that accepts no connections may be dialled
// again. All waiters at the relay share it: of those that are due, one dials.
// The others follow when it has connected.
type relayBackoff struct {
	pause  *backoff
	isDown bool
	next   [3]time.Time // by relayUrgency
}

func newRelayBackoff() relayBackoff {
	return relayBackoff{pause: newBackoff(minRelayPause, maxRelayPause)}
}

// due returns when the relay may be dialled; zero: at any time.
func (b *relayBackoff) due(urgency relayUrgency) time.Time {
	if !b.isDown {
		return time.Time{}
	}
	return b.next[urgency]
}

// begin notes that a waiter dials.
func (b *relayBackoff) begin(now time.Time) {
	if !b.isDown {
		return
	}
	none := now.Add(b.pause.next())
	low := earliest(none, now.Add(relayLongPause/2+rand.N(relayLongPause/2)))
	b.next = [...]time.Time{urgencyNone: none, urgencyLow: low, urgencyHigh: earliest(low, now.Add(callPause()))}
}

// fail notes that a waiter could not connect.
func (b *relayBackoff) fail(now time.Time) {
	if !b.isDown {
		b.isDown = true
		b.begin(now)
	}
}

// succeed notes that a waiter has connected. It reports whether the relay was
// down.
func (b *relayBackoff) succeed() bool {
	wasDown := b.isDown
	b.isDown = false
	b.pause.reset()
	return wasDown
}

// reset allows to dial at once: the network has changed.
func (b *relayBackoff) reset() {
	b.pause.reset()
	b.next = [3]time.Time{}
}

// callPause returns a pause during the first minute of an outage of a call.
func callPause() time.Duration { return relayCallPause*2/3 + rand.N(relayCallPause/3) }

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// joinedDelay returns how long the client waits for a link on a joined
// connection before it dials beside it. took is how long it took to connect.
// Each join in a row without a link doubles the time, so that a relay that
// joins and stalls is not hammered.
func joinedDelay(took time.Duration, joins int) time.Duration {
	delay := min(max(3*took, minJoinedDelay), maxJoinedDelay)
	for range joins - 1 {
		delay = min(2*delay, maxRelayPause)
	}
	return delay
}
