package link

import (
	"math"
	"testing"
	"time"

	"vchat/daemon/wire"
)

// addPong adds an answer to a ping: with this round trip, from a clock that is
// ahead by offset.
func addPong(c *clock, now, rtt, offset time.Duration) {
	c.onPing(now - rtt)
	at := now - rtt/2 + offset
	c.onPong(&wire.Pong{T1: now - rtt, T2: at, T3: at}, now)
}

func TestClock_toLocal(t *testing.T) {
	const now = 1000 * time.Second
	for _, tt := range []struct {
		name   string
		add    func(c *clock)
		theirs time.Duration
		want   time.Duration
		wantOK bool
	}{
		{"no sample", func(*clock) {}, 5, now, false},
		{"the shortest round trip counts", func(c *clock) {
			addPong(c, now-2*time.Second, 20*time.Millisecond, 509*time.Millisecond)
			addPong(c, now-time.Second, time.Millisecond, 500*time.Millisecond)
			addPong(c, now, 30*time.Millisecond, 490*time.Millisecond)
		}, now, now - 500*time.Millisecond, true},
		{"a jump discards older samples", func(c *clock) {
			addPong(c, now-2*time.Second, time.Millisecond, 5*time.Second)
			addPong(c, now, 40*time.Millisecond, time.Second)
		}, now, now - time.Second, true},
		{"a longer path is no jump", func(c *clock) {
			addPong(c, now-2*time.Second, time.Millisecond, time.Second)
			addPong(c, now, 400*time.Millisecond, time.Second+190*time.Millisecond)
		}, now, now - time.Second, true},
		{"the future is now", func(c *clock) { addPong(c, now, 2, 0) }, now + time.Hour, now, true},
		{"a jump of 292 years", func(c *clock) {
			addPong(c, now-time.Second, 2, 0)
			addPong(c, now, 2, math.MaxInt64-now)
		}, math.MaxInt64 - time.Second, now - time.Second, true},
		{"an offset of 292 years", func(c *clock) { addPong(c, now, 2, math.MaxInt64-now) }, 0, now - maxAge, true},
		{"an instant 292 years ahead", func(c *clock) { addPong(c, now, 2, -now/2) }, math.MaxInt64, now, true},
		{"an answer to no ping", func(c *clock) {
			c.onPong(&wire.Pong{T1: now - 2, T2: 5, T3: 5}, now)
		}, 5, now, false},
		{"an answer before its ping", func(c *clock) {
			c.onPing(now + 1)
			c.onPong(&wire.Pong{T1: now + 1, T2: 5, T3: 5}, now)
		}, 5, now, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c clock
			tt.add(&c)
			got, ok := c.toLocal(tt.theirs, now)
			if difference := got - tt.want; max(difference, -difference) > 2 || ok != tt.wantOK {
				t.Errorf("toLocal(%v) = %v, %v; want %v, %v", tt.theirs, got, ok, tt.want, tt.wantOK)
			}
			if delay := now - got; delay < 0 {
				t.Errorf("got a delay of %v, want at least 0", delay)
			}
		})
	}
}
