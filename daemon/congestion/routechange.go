package congestion

import "time"

// routeChange detects that the path has become longer, as after a change of
// route: then every frame is delayed, however small it is. This looks like a
// queue, so the window drains once and sends a single frame. If that frame is
// delayed too, the path is longer.
//
//	steady ──minDelayed frames in a row──▶ suspected ──a frame sent alone arrives──▶ steady
type routeChange struct {
	suspected bool
	delayed   int           // frames in a row whose first byte was delayed
	since     time.Duration // the first of them
	retryAt   time.Duration // the earliest time for another suspicion
}

const (
	// minDelayed and minDelayedTime are more than a short queue needs to drain.
	minDelayed     = 6
	minDelayedTime = 200 * time.Millisecond
	// minDrainPause is the pause between two suspicions. Each costs a round
	// trip without frames.
	minDrainPause = 3 * time.Second
)

// onFeedback handles the delay of a frame's first byte. It reports whether the
// path is longer from now on.
func (r *routeChange) onFeedback(f *inFlightFrame, delay, now time.Duration) (longer bool) {
	switch {
	case delay <= jitterAllowance:
		r.suspected, r.delayed = false, 0
		return false
	case r.suspected && f.alone:
		r.suspected, r.delayed = false, 0
		return true
	}
	if r.delayed++; r.delayed == 1 {
		r.since = now
	}
	if !r.suspected && r.delayed >= minDelayed && now-r.since >= minDelayedTime && now >= r.retryAt {
		r.suspected, r.retryAt = true, now+minDrainPause
	}
	return false
}
