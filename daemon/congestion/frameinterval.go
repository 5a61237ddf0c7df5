package congestion

import (
	"time"

	"vchat/daemon/frame"
)

// frameInterval estimates the time between two frames of the camera, even if
// only some of them are taken.
type frameInterval struct {
	seq      uint64        // of the last frame
	captured time.Duration // when it was captured; 0: there is none
	smoothed time.Duration
}

const (
	// defaultInterval is assumed until two frames have been seen: 30 fps.
	defaultInterval = time.Second / 30
	// minInterval is the frame interval of the fastest cameras: 240 fps.
	minInterval = time.Second / 240
	// maxGap is the longest time between two frames that counts as a
	// measurement. After a longer one the camera was closed.
	maxGap = 2 * time.Second
)

// reset forgets the last frame, but not the estimate: a measurement needs two
// frames of one camera.
func (i *frameInterval) reset() { i.seq, i.captured = 0, 0 }

func (i *frameInterval) onFrame(f *frame.Frame) {
	if f.Card {
		i.reset()
		return
	}
	elapsed, frames := f.Captured-i.captured, f.Seq-i.seq
	if i.captured > 0 && elapsed > 0 && f.Seq > i.seq && elapsed < maxGap {
		i.add(max(elapsed/time.Duration(frames), minInterval))
	}
	i.seq, i.captured = f.Seq, f.Captured
}

// add smooths a measurement. The estimate falls faster than it rises, because a
// camera that skips a frame has not become slower.
func (i *frameInterval) add(measured time.Duration) {
	if i.smoothed == 0 {
		i.smoothed = measured
	}
	if measured > i.smoothed {
		i.smoothed += (min(measured, 4*i.smoothed) - i.smoothed) / 16
	} else {
		i.smoothed += (measured - i.smoothed) / 4
	}
}

func (i *frameInterval) estimate() time.Duration {
	if i.smoothed == 0 {
		return defaultInterval
	}
	return i.smoothed
}
