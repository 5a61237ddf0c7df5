package congestion

import (
	"testing"
	"time"

	"vchat/daemon/frame"
)

func TestFrameInterval_followsCamera(t *testing.T) {
	var i frameInterval
	f := &frame.Frame{Meta: frame.Meta{Seq: 10, Captured: time.Hour}}
	// run takes every step-th frame of a camera, n in all.
	run := func(n int, interval time.Duration, step uint64) {
		for range n {
			f.Seq += step
			f.Captured += interval * time.Duration(step)
			i.onFrame(f)
		}
	}
	check := func(want time.Duration, when string) {
		t.Helper()
		if got := i.estimate(); got < want*95/100 || got > want*105/100 {
			t.Errorf("%s: got %v, want %v", when, got, want)
		}
	}
	check(defaultInterval, "before the first frame")
	run(30, 40*time.Millisecond, 1)
	check(40*time.Millisecond, "at 25 fps")
	run(30, 40*time.Millisecond, 3)
	check(40*time.Millisecond, "with two of three frames dropped")
	f.Captured += time.Second
	run(10, 40*time.Millisecond, 1)
	check(40*time.Millisecond, "after a pause of the camera")
	run(100, 80*time.Millisecond, 1)
	check(80*time.Millisecond, "in dim light")
	f.Seq, f.Captured = 1, time.Minute
	run(30, 20*time.Millisecond, 1)
	check(20*time.Millisecond, "with another camera")
	i.onFrame(&frame.Frame{Meta: frame.Meta{Seq: 1000, Captured: 2 * time.Hour, Card: true}})
	check(20*time.Millisecond, "after a card")
}
