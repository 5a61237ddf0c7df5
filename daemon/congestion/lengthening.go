package congestion

import "time"

// lengthening finds out that the way has become longer, as after a change of route: every frame is late then, and would
// be however small it were. It looks like a queue of ours, so the window lets all of it run dry, once, and sends a frame
// alone: what that one still waits is not for us to mend.
//
//	calm ──lateInARow first bytes late──▶ suspected ──a frame that was sent alone arrives──▶ calm
type lengthening struct {
	suspected bool
	late      int           // frames in a row
	since     time.Duration // the first of them
	next      time.Duration // not suspected again before
}

const (
	lateInARow = 6
	lateFor    = 200 * time.Millisecond
	// lengthPause between two suspicions: each costs a round trip without frames.
	lengthPause = 3 * time.Second
)

// heard takes how long the first byte of a frame waited; it says whether that is what the way takes from now on.
func (l *lengthening) heard(f *flight, wait, now time.Duration) (moved bool) {
	switch {
	case wait <= grace:
		l.suspected, l.late = false, 0
		return false
	case l.suspected && f.alone:
		l.suspected, l.late = false, 0
		return true
	}
	if l.late++; l.late == 1 {
		l.since = now
	}
	if !l.suspected && l.late >= lateInARow && now-l.since >= lateFor && now >= l.next {
		l.suspected, l.next = true, now+lengthPause
	}
	return false
}
