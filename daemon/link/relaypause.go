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
	relayCallPause    = 750 * time.Millisecond
	relayLastingPause = 3 * time.Second
	relayCallMinute   = time.Minute

	// A relay may join a connection with one that is dead.
	minPatience = 250 * time.Millisecond
	maxPatience = time.Second // as the first one
	// A waiting connection may be dead itself, if a router has forgotten it.
	minDoubt = 600 * time.Millisecond
)

// relayHaste is how urgent a link by a relay is.
type relayHaste int

const (
	relayCalm    relayHaste = iota // no call
	relayLasting                   // an outage of a call that lasts for more than a minute
	relayHasty                     // a younger one
)

// relayBackoff says when a relay that accepts no connections may be dialled
// again. All waiters at the relay share it: of those that are due, one dials.
// The others follow when it has connected.
type relayBackoff struct {
	pause  *backoff
	isDown bool
	next   [3]time.Time // by relayHaste
}

func newRelayBackoff() relayBackoff {
	return relayBackoff{pause: newBackoff(minRelayPause, maxRelayPause)}
}

// due returns when the relay may be dialled; zero: at any time.
func (b *relayBackoff) due(haste relayHaste) time.Time {
	if !b.isDown {
		return time.Time{}
	}
	return b.next[haste]
}

// begin notes that a waiter dials.
func (b *relayBackoff) begin(now time.Time) {
	if !b.isDown {
		return
	}
	calm := now.Add(b.pause.next())
	lasting := earliest(calm, now.Add(relayLastingPause/2+rand.N(relayLastingPause/2)))
	b.next = [...]time.Time{relayCalm: calm, relayLasting: lasting, relayHasty: earliest(lasting, now.Add(callPause()))}
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

// joinPatience returns how long the client waits for a link on a joined
// connection before it dials beside it. took is how long it took to connect.
// Each join in a row without a link doubles the time, so that a relay that
// joins and stalls is not hammered.
func joinPatience(took time.Duration, joins int) time.Duration {
	patience := min(max(3*took, minPatience), maxPatience)
	for range joins - 1 {
		patience = min(2*patience, maxRelayPause)
	}
	return patience
}
