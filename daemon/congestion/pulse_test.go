package congestion

import (
	"testing"
	"time"

	"vchat/daemon/frame"
)

func TestPulseFollowsTheCamera(t *testing.T) {
	var p pulse
	f := &frame.Frame{Meta: frame.Meta{Seq: 10, Captured: time.Hour}}
	film := func(n int, every time.Duration, skip uint64) {
		for range n {
			f.Seq += skip
			f.Captured += every * time.Duration(skip)
			p.saw(f)
		}
	}
	near := func(want time.Duration, when string) {
		t.Helper()
		if got := p.interval(); got < want*95/100 || got > want*105/100 {
			t.Errorf("%s: %v, want %v", when, got, want)
		}
	}
	near(usualInterval, "at first")
	film(30, 40*time.Millisecond, 1)
	near(40*time.Millisecond, "25 frames a second")
	film(30, 40*time.Millisecond, 3)
	near(40*time.Millisecond, "of which every third is taken")
	f.Captured += time.Second
	film(10, 40*time.Millisecond, 1)
	near(40*time.Millisecond, "after the camera has stumbled")
	film(100, 80*time.Millisecond, 1)
	near(80*time.Millisecond, "in dim light")
	f.Seq, f.Captured = 1, time.Minute // another camera
	film(30, 20*time.Millisecond, 1)
	near(20*time.Millisecond, "another camera")
	p.saw(&frame.Frame{Meta: frame.Meta{Seq: 1000, Captured: 2 * time.Hour, Card: true}})
	near(20*time.Millisecond, "after a card")
}
