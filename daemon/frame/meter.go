package frame

import (
	"slices"
	"sync"
	"time"
)

// meterSpan is the time over which rates and delays are told.
const meterSpan = 3 * time.Second

// Meter measures the rate, the amount and the delay of passing frames over the last three seconds. It remembers at most
// 512 of them, so above 170 frames a second the span gets shorter. The zero value is ready; it is safe for concurrent use.
type Meter struct {
	mu            sync.Mutex
	ring          [512]metered
	next, kept    int // where the next one goes, and how many there are
	first         time.Duration
	width, height int
}

type metered struct {
	at, delay time.Duration
	bytes     int
}

// Rate is what a Meter has seen over the last three seconds.
type Rate struct {
	FPS, MbitS    float64
	P50, P99      time.Duration // of the delay
	Width, Height int           // of the newest frame; 0 when there was none
}

// Add counts a frame of so many bytes on the way, seen at an instant of Now, so long after it was captured.
func (m *Meter) Add(at, delay time.Duration, bytes, width, height int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == 0 {
		m.first = at
	}
	m.ring[m.next] = metered{at, delay, bytes}
	m.next = (m.next + 1) % len(m.ring)
	m.kept++
	if m.kept > len(m.ring) {
		m.kept, m.first = len(m.ring), m.ring[m.next].at
	}
	m.width, m.height = width, height
}

// Reset forgets everything, as at the beginning of a call.
func (m *Meter) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next, m.kept = 0, 0
}

// Rate sums up the last three seconds before now.
func (m *Meter) Rate(now time.Duration) Rate {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := m.ring[:m.kept]
	oldest, bytes := now, 0
	delays := make([]time.Duration, 0, len(kept))
	for _, x := range kept {
		if now-x.at <= meterSpan {
			delays = append(delays, x.delay)
			bytes += x.bytes
			oldest = min(oldest, x.at)
		}
	}
	if len(delays) == 0 {
		return Rate{}
	}
	n, amount, span := float64(len(delays)), float64(bytes), meterSpan
	if m.first > now-meterSpan {
		// The span begins with a frame instead of anywhere between two: that one is the fence post.
		span = now - oldest
		amount *= (n - 1) / n
		n--
	}
	slices.Sort(delays)
	r := Rate{P50: delays[len(delays)/2], P99: delays[len(delays)*99/100], Width: m.width, Height: m.height}
	if s := span.Seconds(); s > 0 {
		r.FPS, r.MbitS = n/s, amount*8/1e6/s
	}
	return r
}
