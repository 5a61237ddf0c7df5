package frame

import (
	"slices"
	"sync"
	"time"
)

// meterSpan is the time over which a Meter averages.
const meterSpan = 3 * time.Second

// Meter measures frame rate, bit rate and delay over the last three seconds. It
// holds at most 512 frames, so the span is shorter above 170 frames a second.
// The zero value is ready to use. Methods are safe for concurrent use.
type Meter struct {
	mu            sync.Mutex
	ring          [512]sample
	next, kept    int           // index of the next sample, and how many are held
	first         time.Duration // time of the oldest held sample
	width, height int
}

type sample struct {
	at, delay time.Duration
	bytes     int
}

// Rate is a Meter's result over the last three seconds.
type Rate struct {
	FPS, MbitS    float64
	P50, P99      time.Duration // percentiles of the delay
	Width, Height int           // pixels of the newest frame; 0 without one
}

// Add counts a frame of the given size in bytes and pixels. at is a time of
// Now, delay the time since its capture.
func (m *Meter) Add(at, delay time.Duration, bytes, width, height int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == 0 {
		m.first = at
	}
	m.ring[m.next] = sample{at, delay, bytes}
	m.next = (m.next + 1) % len(m.ring)
	m.kept++
	if m.kept > len(m.ring) {
		m.kept, m.first = len(m.ring), m.ring[m.next].at
	}
	m.width, m.height = width, height
}

// Reset drops all samples, as at the start of a call.
func (m *Meter) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next, m.kept = 0, 0
}

// Rate returns the rates and delays of the three seconds before now.
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
		// All samples lie within the span: n frames bound n-1 intervals.
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
