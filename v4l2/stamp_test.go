package v4l2

import (
	"strings"
	"testing"
	"time"
)

// frameAt is a frame of a scripted driver: its capture, its time stamp and its
// arrival, in milliseconds.
type frameAt struct {
	capture, stamp, arrival int64
	otherClock              bool
}

func TestCaptureClock(t *testing.T) {
	// every returns n frames, each arriving 20 ms after its capture.
	every := func(n, interval int64, stamp func(at int64) int64) (all []frameAt) {
		for i := range n {
			at := 100_000 + i*interval
			all = append(all, frameAt{capture: at, stamp: stamp(at), arrival: at + 20})
		}
		return all
	}
	good := func(at int64) int64 { return at }
	for _, x := range []struct {
		name    string
		frames  []frameAt
		delay   [2]int64 // of the results after the capture, least and most
		exact   bool     // the last result is the stamp
		warning string   // part of; "": none
	}{
		{"plausible", every(300, 33, good), [2]int64{0, 0}, true, ""},
		{"one frame in two seconds", every(20, 2000, good), [2]int64{0, 0}, true, ""},
		{"slightly in the future", every(300, 33, func(at int64) int64 { return at + 45 }),
			[2]int64{20, 20}, false, ""},
		{"a little ahead", every(300, 100, func(at int64) int64 { return at + 120 }), [2]int64{20, 20}, false, ""},
		{"lags by half a second", every(300, 33, func(at int64) int64 { return at - 500 }),
			[2]int64{-500, -500}, true, ""},
		{"constant", every(300, 33, func(int64) int64 { return 100_000 }), [2]int64{0, 20}, false, "do not advance"},
		{"constant, long ago", every(300, 33, func(int64) int64 { return 1000 }), [2]int64{20, 20}, false, "old"},
		{"4 s old", every(300, 33, func(at int64) int64 { return at - 4000 }), [2]int64{20, 20}, false, "are 4s old"},
		{"1.2 s old", every(300, 100, func(at int64) int64 { return at - 1200 }), [2]int64{20, 20}, false,
			"are 1.2s old"},
		{"7 s in the future", every(300, 33, func(at int64) int64 { return at + 7000 }), [2]int64{20, 20}, false,
			"are 7s in the future"},
		{"missing", every(300, 33, func(int64) int64 { return 0 }), [2]int64{20, 20}, false, "are missing"},
		{"time of day", every(300, 33, func(at int64) int64 { return at + 1_800_000_000_000 }), [2]int64{20, 20}, false,
			"another clock"},
		{"half speed", every(300, 33, func(at int64) int64 { return 100_000 + (at-100_000)/2 }),
			[2]int64{-1100, 20}, false, "old"},
		{"backwards", every(300, 33, func(at int64) int64 { return 200_000 - at }), [2]int64{0, 20}, false,
			"do not advance"},
		{"jumps every other second", every(300, 33, func(at int64) int64 {
			return at + []int64{-5000, 0, 5000, 0}[at/1000%4]
		}), [2]int64{0, 20}, false, "old"},
		{"one bad stamp", every(300, 33, func(at int64) int64 {
			if at == 100_330 {
				return at + 4000
			}
			return at
		}), [2]int64{0, 20}, true, ""},
		{"one stamp twice", every(300, 33, func(at int64) int64 {
			if at == 100_330 {
				return at - 33
			}
			return at
		}), [2]int64{0, 20}, true, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			var c captureClock
			c.arrival = 99_990 * time.Millisecond
			var last time.Duration
			ms := func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
			for i, f := range x.frames {
				got := c.at(ms(f.stamp), !f.otherClock, ms(f.arrival))
				if got <= last {
					t.Fatalf("frame %d: got %v after %v, want a later time", i, got, last)
				}
				last = got
				if d := got - ms(f.capture); d < ms(x.delay[0]) || d > ms(x.delay[1]) {
					t.Fatalf("frame %d: got %v after its capture, want %d to %d ms", i, d, x.delay[0], x.delay[1])
				}
			}
			end := x.frames[len(x.frames)-1]
			if (last == ms(end.stamp)) != x.exact {
				t.Errorf("last frame: got %v with stamp %v, want the stamp: %v", last, ms(end.stamp), x.exact)
			}
			if got := c.warning(); (got == "") != (x.warning == "") || !strings.Contains(got, x.warning) {
				t.Errorf("got warning %q, want %q", got, x.warning)
			}
		})
	}
}

// After a pause of this program the frames in the buffers are old. Their stamps
// are right.
func TestCaptureClock_pause(t *testing.T) {
	var c captureClock
	now := 100 * time.Second
	c.arrival = now
	for range 50 {
		now += 33 * time.Millisecond
		c.at(now-10*time.Millisecond, true, now)
	}
	first := now + 33*time.Millisecond
	now += 8 * time.Second
	for i := range 4 {
		now += time.Millisecond
		stamp := first + time.Duration(i)*33*time.Millisecond
		if got := c.at(stamp, true, now); got != stamp {
			t.Errorf("waiting frame %d: got %v, want its stamp %v", i, got, stamp)
		}
	}
	if c.warning() != "" {
		t.Errorf("got warning %q, want none", c.warning())
	}
}

func TestCaptureClock_otherClock(t *testing.T) {
	var c captureClock
	for i := range 10 {
		now := time.Duration(i+1) * time.Second
		if got := c.at(now-time.Millisecond, false, now); got != now {
			t.Errorf("got %v, want the arrival %v", got, now)
		}
	}
	if c.warning() != "are not of the monotonic clock" {
		t.Errorf("got warning %q, want one about the clock", c.warning())
	}
}

// Stamps are trusted again after a while, and later after each relapse.
func TestCaptureClock_trust(t *testing.T) {
	var c captureClock
	now := 100 * time.Second
	frame := func(offset time.Duration) bool {
		now += 100 * time.Millisecond
		return c.at(now+offset, true, now) == now+offset
	}
	for i, want := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second} {
		frame(time.Hour)
		began := now
		for !frame(-time.Millisecond) {
			if now-began > time.Minute {
				t.Fatalf("relapse %d: stamps are never trusted again", i)
			}
		}
		if d := now - began; d < want || d > want+time.Second {
			t.Errorf("relapse %d: trusted after %v, want %v", i, d, want)
		}
	}
}
