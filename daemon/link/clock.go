package link

import (
	"slices"
	"sync"
	"time"

	"vchat/daemon/wire"
)

// clock estimates the offset of the peer's CLOCK_MONOTONIC to ours, as NTP
// does. Of the last samples it takes the one with the shortest round trip:
// queues have disturbed it least. It is safe for concurrent use.
type clock struct {
	mu      sync.Mutex
	pings   [8]time.Duration // when the latest pings were sent
	sent    int
	samples [clockSamples]clockSample
	added   int
	best    clockSample
}

// clockSamples limits how long one good sample counts: to 64 idlePingIntervals,
// 45 s. Two quartz clocks that differ by 50 ppm drift by 2.3 ms in that time.
// In a call, with callPingInterval, it is 13 s.
const clockSamples = 64

type clockSample struct{ rtt, offset time.Duration }

// contradicts reports whether two samples cannot come from the same two clocks.
// Each is wrong by half its round trip at most, and the clocks drift by less
// than maxClockDrift while samples are kept.
func (s clockSample) contradicts(x clockSample) bool {
	difference := s.offset - x.offset
	if (s.offset < 0) != (x.offset < 0) && (difference < 0) != (s.offset < 0) {
		return true // the difference overflows
	}
	return max(difference, -difference)-(s.rtt+x.rtt)/2 > maxClockDrift
}

// maxClockDrift is the drift of two bad quartz clocks, 200 ppm apart, in 45 s.
const maxClockDrift = 10 * time.Millisecond

// onPing notes a ping that was sent at t1.
func (c *clock) onPing(t1 time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pings[c.sent%len(c.pings)] = t1
	c.sent++
}

// onPong adds a sample. It ignores an answer that matches no recent ping, and
// one whose timestamps contradict each other.
func (c *clock) onPong(p *wire.Pong, t4 time.Duration) {
	rtt, offset, ok := p.Measure(t4)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !ok || !slices.Contains(c.pings[:min(c.sent, len(c.pings))], p.T1) {
		return
	}
	s := clockSample{rtt: rtt, offset: offset}
	if c.added > 0 && s.contradicts(c.best) {
		c.added = 0 // the peer's clock has jumped, as after the migration of a virtual machine
	}
	c.samples[c.added%clockSamples] = s
	c.added++
	c.best = c.samples[0]
	for _, x := range c.samples[:min(c.added, clockSamples)] {
		if x.rtt < c.best.rtt {
			c.best = x
		}
	}
}

// toLocal converts an instant of the peer's clock to ours. The result is at
// most now, and at least now minus maxAge, so that a difference fits a
// Duration. ok is false before the first sample; then the result is now.
func (c *clock) toLocal(theirs, now time.Duration) (ours time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.added == 0 {
		return now, false
	}
	ours = theirs - c.best.offset
	if c.best.offset < 0 && ours < theirs {
		return now, true // overflow
	}
	return max(min(ours, now), now-maxAge), true
}

const maxAge = 100 * 365 * 24 * time.Hour

// estimate returns the latest round trip, the shortest of those that are kept,
// and the offset from the shortest; zeros before the first sample.
func (c *clock) estimate() (rtt, minRTT, offset time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.added == 0 {
		return 0, 0, 0
	}
	return c.samples[(c.added-1)%clockSamples].rtt, c.best.rtt, c.best.offset
}
