package congestion

import (
	"time"

	"vchat/daemon/frame"
)

// pulse finds out the camera's rate from the frames that were taken of its hub.
type pulse struct {
	seq      uint64
	captured time.Duration
	smooth   time.Duration
}

// usualInterval is taken for a camera of which nothing is known yet.
const usualInterval = time.Second / 30

// pause forgets the last frame: what comes next is of another time, or another camera.
func (p *pulse) pause() { p.seq, p.captured = 0, 0 }

func (p *pulse) saw(f *frame.Frame) {
	if f.Card {
		p.pause()
		return
	}
	apart, passed := f.Captured-p.captured, f.Seq-p.seq
	if p.captured > 0 && apart > 0 && f.Seq > p.seq && apart < 2*time.Second {
		d := max(apart/time.Duration(passed), time.Second/240)
		if p.smooth == 0 {
			p.smooth = d
		}
		if d > p.smooth {
			p.smooth += (min(d, 4*p.smooth) - p.smooth) / 16 // a camera that stumbles is not a slow one
		} else {
			p.smooth += (d - p.smooth) / 4
		}
	}
	p.seq, p.captured = f.Seq, f.Captured
}

func (p *pulse) interval() time.Duration {
	if p.smooth == 0 {
		return usualInterval
	}
	return p.smooth
}
