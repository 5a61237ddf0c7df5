package camera

import "time"

// pacer keeps a frame rate without drift. The start fixes the times of all
// slots.
type pacer struct {
	fps   int64
	start time.Time
	slot  int64 // the next one
	timer *time.Timer
	woken chan struct{} // capacity 1
}

func newPacer(fps int) *pacer {
	p := &pacer{fps: int64(fps), start: time.Now(), timer: time.NewTimer(time.Hour), woken: make(chan struct{}, 1)}
	p.timer.Stop()
	return p
}

// dueTime returns the time of a slot after the start.
func (p *pacer) dueTime(slot int64) time.Duration {
	// Seconds and rest apart: one product would overflow after some years.
	return time.Duration(slot/p.fps)*time.Second + time.Duration(slot%p.fps*int64(time.Second)/p.fps)
}

// slotAt returns the slot at a time after the start.
func (p *pacer) slotAt(now time.Duration) int64 {
	return int64(now/time.Second)*p.fps + int64(now%time.Second)*p.fps/int64(time.Second)
}

// wait waits for the next slot, at most for limit. It skips slots that have
// passed completely and returns their count. Errors: errTimeout, errWoken.
func (p *pacer) wait(limit time.Duration) (skipped uint64, err error) {
	if p.takeWake() {
		return 0, errWoken
	}
	now := time.Since(p.start)
	if left := p.dueTime(p.slot) - now; left > 0 {
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
	} else if present := p.slotAt(now); present > p.slot {
		skipped = uint64(present - p.slot)
		p.slot = present
	}
	p.slot++
	return skipped, nil
}

func (p *pacer) wake() { notify(p.woken) }

// takeWake reports whether wake was called, and forgets it.
func (p *pacer) takeWake() bool {
	select {
	case <-p.woken:
		return true
	default:
		return false
	}
}
