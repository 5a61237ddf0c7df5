package command

import (
	"testing"
	"time"
)

// starts returns how many starts there are in a day if each process lives this
// long, and systemd starts the next one after half a second.
func starts(life time.Duration) (n int) {
	now := time.Hour
	end := now + 24*time.Hour
	for text := ""; now < end; n++ {
		r := parseRestarts(text, now)
		now += r.take(now)
		text = r.String()
		now += life + 500*time.Millisecond
	}
	return n
}

func TestRestarts_day(t *testing.T) {
	for _, tt := range []struct {
		life     time.Duration
		min, max int
	}{
		{30 * time.Millisecond, 1430, 1690}, // without the pauses 163,000
		{10 * time.Second, 1430, 1690},
		{5 * time.Minute, 287, 288}, // no pauses
	} {
		if n := starts(tt.life); n < tt.min || n > tt.max {
			t.Errorf("a life of %v: got %d starts a day, want %d to %d", tt.life, n, tt.min, tt.max)
		}
	}
}

// A device that was killed some times must be back at once.
func TestRestarts_burst(t *testing.T) {
	now, text := time.Hour, ""
	for i := range restartBurst + 3 {
		r := parseRestarts(text, now)
		pause := r.take(now)
		if i < restartBurst && pause != 0 || i >= restartBurst && pause <= 0 {
			t.Errorf("start %d: got a pause of %v", i+1, pause)
		}
		if pause > restartPause {
			t.Errorf("start %d: got a pause of %v, want at most %v", i+1, pause, restartPause)
		}
		now += pause + 100*time.Millisecond
		text = r.String()
	}
	now += restartBurst * restartPause
	if r := parseRestarts(text, now); r.take(now) != 0 || int(r.left) != restartBurst-1 {
		t.Errorf("after a quiet time: got %v left, want %d", r.left, restartBurst-1)
	}
}

func TestParseRestarts(t *testing.T) {
	now := time.Hour
	for _, text := range []string{
		"", "x", "0", "NaN 0", "-1 5", "1e9 5", "Inf 5", "0 99999999999999999", "0 -5", "0 1 2",
	} {
		r := parseRestarts(text, now)
		if pause := r.take(now); pause != 0 {
			t.Errorf("%q: got a pause of %v, want none", text, pause)
		}
	}
	if r := parseRestarts("0 3600000000000", now); r.take(now) != restartPause {
		t.Error("a used-up allowance: got no pause")
	}
}
