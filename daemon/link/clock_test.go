package link

import (
	"math"
	"testing"
	"time"

	"vchat/daemon/wire"
)

// pong lets the clock see an answer: rtt there and back, from a clock that is ahead by so much.
func pong(c *clock, now, rtt, ahead time.Duration) {
	c.ask(now - rtt)
	at := now - rtt/2 + ahead
	c.add(&wire.Pong{T1: now - rtt, T2: at, T3: at}, now)
}

func TestClock(t *testing.T) {
	const now = 1000 * time.Second
	for _, tt := range []struct {
		name   string
		see    func(c *clock)
		theirs time.Duration
		want   time.Duration
		known  bool
	}{
		{"nothing seen", func(*clock) {}, 5, now, false},
		{"the shortest round trip counts", func(c *clock) {
			pong(c, now-2*time.Second, 20*time.Millisecond, 509*time.Millisecond)
			pong(c, now-time.Second, time.Millisecond, 500*time.Millisecond)
			pong(c, now, 30*time.Millisecond, 490*time.Millisecond)
		}, now, now - 500*time.Millisecond, true},
		{"after a jump only what came behind it", func(c *clock) {
			pong(c, now-2*time.Second, time.Millisecond, 5*time.Second)
			pong(c, now, 40*time.Millisecond, time.Second)
		}, now, now - time.Second, true},
		{"a lost path is no jump", func(c *clock) {
			pong(c, now-2*time.Second, time.Millisecond, time.Second)
			pong(c, now, 400*time.Millisecond, time.Second+190*time.Millisecond)
		}, now, now - time.Second, true},
		{"a time to come is now", func(c *clock) { pong(c, now, 2, 0) }, now + time.Hour, now, true},
		{"a jump of 292 years", func(c *clock) {
			pong(c, now-time.Second, 2, 0)
			pong(c, now, 2, math.MaxInt64-now)
		}, math.MaxInt64 - time.Second, now - time.Second, true},
		{"a clock of 292 years ahead", func(c *clock) { pong(c, now, 2, math.MaxInt64-now) }, 0, now - century, true},
		{"a frame of 292 years ahead", func(c *clock) { pong(c, now, 2, -now/2) }, math.MaxInt64, now, true},
		{"an answer that was not asked for", func(c *clock) { c.add(&wire.Pong{T1: now - 2, T2: 5, T3: 5}, now) }, 5, now, false},
		{"an answer before its question", func(c *clock) { c.ask(now + 1); c.add(&wire.Pong{T1: now + 1, T2: 5, T3: 5}, now) }, 5, now, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c clock
			tt.see(&c)
			got, known := c.local(tt.theirs, now)
			if apart := got - tt.want; max(apart, -apart) > 2 || known != tt.known {
				t.Errorf("local(%v) = %v, %v; want %v, %v", tt.theirs, got, known, tt.want, tt.known)
			}
			if delay := now - got; delay < 0 {
				t.Errorf("a delay of %v", delay)
			}
		})
	}
}
