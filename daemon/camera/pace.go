package camera

import "time"

// pacer keeps a rate without drift: the times of all frames are fixed at the start.
type pacer struct {
	fps   int64
	start time.Time
	slot  int64 // whose time is next
	timer *time.Timer
	woken chan struct{} // of one
}

func newPacer(fps int) *pacer {
	p := &pacer{fps: int64(fps), start: time.Now(), timer: time.NewTimer(time.Hour), woken: make(chan struct{}, 1)}
	p.timer.Stop()
	return p
}

// due is when a slot's time comes, from the start on.
func (p *pacer) due(slot int64) time.Duration {
	// Whole seconds apart: in one product it would overflow after some years.
	return time.Duration(slot/p.fps)*time.Second + time.Duration(slot%p.fps*int64(time.Second)/p.fps)
}

// at is the slot that an instant lies in.
func (p *pacer) at(now time.Duration) int64 {
	return int64(now/time.Second)*p.fps + int64(now%time.Second)*p.fps/int64(time.Second)
}

// wait waits for the next slot, for at most limit. Slots that have passed altogether are skipped, not made up for, and
// counted. Errors: errTimeout, errWoken.
func (p *pacer) wait(limit time.Duration) (skipped uint64, err error) {
	select {
	case <-p.woken:
		return 0, errWoken
	default:
	}
	now := time.Since(p.start)
	if left := p.due(p.slot) - now; left > 0 {
		p.timer.Reset(min(left, limit))
		select {
		case <-p.timer.C:
		case <-p.woken:
			p.timer.Stop()
			return 0, errWoken
		}
		if left > limit {
			return 0, errTimeout
		}
	} else if present := p.at(now); present > p.slot {
		skipped = uint64(present - p.slot)
		p.slot = present
	}
	p.slot++
	return skipped, nil
}

func (p *pacer) wake() { signal(p.woken) }
