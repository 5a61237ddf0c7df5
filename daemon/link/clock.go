package link

import (
	"slices"
	"sync"
	"time"

	"vchat/daemon/wire"
)

// clock estimates how far the peer's CLOCK_MONOTONIC is ahead of ours, as NTP does: of the last samples, the one with the
// shortest round trip was disturbed least by queues, and its offset is taken.
type clock struct {
	mu      sync.Mutex
	asked   [8]time.Duration // when the latest pings were sent
	asking  int
	samples [clockSamples]clockSample
	n       int
	best    clockSample
}

// clockSamples times pingEvery is how long one lucky sample counts at most: 45 s, in which two quartz clocks that differ by
// 50 ppm drift apart by 2.3 ms; in a call, times pingOften, it is 13 s.
const clockSamples = 64

type clockSample struct{ rtt, offset time.Duration }

// contradicts says that two samples cannot be of the same two clocks: each is wrong by half its round trip at most, and in
// the time that samples are kept the clocks drift by less than clockDrift.
func (s clockSample) contradicts(x clockSample) bool {
	apart := s.offset - x.offset
	if (s.offset < 0) != (x.offset < 0) && (apart < 0) != (s.offset < 0) {
		return true // so far apart that the difference overflows
	}
	return max(apart, -apart)-(s.rtt+x.rtt)/2 > clockDrift
}

// clockDrift is what two bad quartzes, 200 ppm apart, make of clockSamples.
const clockDrift = 10 * time.Millisecond

// ask notes a ping that was sent at t1.
func (c *clock) ask(t1 time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked[c.asking%len(c.asked)] = t1
	c.asking++
}

// add takes the answer to a ping. One that was never asked for, or whose stamps contradict each other, is ignored.
func (c *clock) add(p *wire.Pong, t4 time.Duration) {
	rtt, offset, ok := p.Measure(t4)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !ok || !slices.Contains(c.asked[:min(c.asking, len(c.asked))], p.T1) {
		return
	}
	s := clockSample{rtt: rtt, offset: offset}
	if c.n > 0 && s.contradicts(c.best) {
		c.n = 0 // the other clock has jumped, as that of a virtual machine that was moved: what was known of it is no longer so
	}
	c.samples[c.n%clockSamples] = s
	c.n++
	c.best = c.samples[0]
	for _, x := range c.samples[:min(c.n, clockSamples)] {
		if x.rtt < c.best.rtt {
			c.best = x
		}
	}
}

// local turns an instant on the peer's clock into one on ours, never later than now, nor so long ago that the difference
// would not fit a Duration; ok is false before the first sample.
func (c *clock) local(theirs, now time.Duration) (ours time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == 0 {
		return now, false
	}
	ours = theirs - c.best.offset
	if c.best.offset < 0 && ours < theirs {
		return now, true // it overflows
	}
	return max(min(ours, now), now-century), true
}

const century = 100 * 365 * 24 * time.Hour

// measured gives the latest round trip, the least of those that are kept, and the offset that was measured with that one;
// 0 before the first sample.
func (c *clock) measured() (rtt, least, offset time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == 0 {
		return 0, 0, 0
	}
	return c.samples[(c.n-1)%clockSamples].rtt, c.best.rtt, c.best.offset
}
