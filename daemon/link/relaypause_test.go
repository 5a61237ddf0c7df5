package link

import (
	"testing"
	"time"
)

func TestRelayBackoff(t *testing.T) {
	for _, tt := range []struct {
		urgency  relayUrgency
		from, to time.Duration // between two attempts, in the long run
	}{
		{urgencyNone, 15 * time.Second, 30 * time.Second},
		{urgencyLow, 1500 * time.Millisecond, 3 * time.Second},
		{urgencyHigh, 500 * time.Millisecond, 750 * time.Millisecond},
	} {
		b := newRelayBackoff()
		now := time.Unix(1000, 0)
		if due := b.due(tt.urgency); !due.IsZero() {
			t.Errorf("%v: before the first failure: due at %v, want at once", tt.urgency, due)
		}
		b.fail(now)
		if pause := b.due(tt.urgency).Sub(now); pause < 500*time.Millisecond || pause > time.Second {
			t.Errorf("%v: after the first failure: got a pause of %v, want at most 1 s", tt.urgency, pause)
		}
		for i := range 20 {
			now = b.due(tt.urgency)
			b.begin(now)
			b.fail(now.Add(time.Millisecond))
			if pause := b.due(tt.urgency).Sub(now); i >= 5 && (pause < tt.from || pause > tt.to) {
				t.Errorf("%v: attempt %d: got a pause of %v, want %v to %v", tt.urgency, i, pause, tt.from, tt.to)
			}
		}
		b.reset()
		if b.due(tt.urgency).After(now) {
			t.Errorf("%v: after a network change: want to dial at once", tt.urgency)
		}
		b.begin(now)
		if !b.due(tt.urgency).After(now) {
			t.Errorf("%v: after a network change: want one waiter to dial, not all", tt.urgency)
		}
		if !b.succeed() || b.succeed() || !b.due(tt.urgency).IsZero() {
			t.Errorf("%v: want no pause once a waiter has connected", tt.urgency)
		}
	}
}

func TestJoinedDelay(t *testing.T) {
	for _, tt := range []struct {
		took  time.Duration
		joins int
		want  time.Duration
	}{
		{time.Millisecond, 1, 250 * time.Millisecond},
		{200 * time.Millisecond, 1, 600 * time.Millisecond},
		{5 * time.Second, 1, time.Second},
		{time.Millisecond, 3, time.Second},
		{time.Millisecond, 1000, 30 * time.Second},
	} {
		if got := joinedDelay(tt.took, tt.joins); got != tt.want {
			t.Errorf("connected within %v, join %d: got %v, want %v", tt.took, tt.joins, got, tt.want)
		}
	}
}
