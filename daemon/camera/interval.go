package camera

import "time"

// intervalMeter measures the time between two frames of a source. Drivers may
// promise a rate that the camera does not have.
type intervalMeter struct {
	promised time.Duration // 0: unknown
	mean     time.Duration // of the last frames
	last     time.Duration // time of the last frame
	count    int           // measured intervals, up to minIntervals
}

const (
	minIntervals    = 5                // before the measured interval replaces the promised one
	defaultInterval = time.Second / 30 // if nothing is promised
	maxPromised     = 2 * time.Second  // a driver that promises less is wrong more often than right
)

// newIntervalMeter returns a meter for a promised rate in frames a second; 0 if
// it is unknown.
func newIntervalMeter(fps float64) intervalMeter {
	if fps <= 0 {
		return intervalMeter{}
	}
	return intervalMeter{promised: time.Duration(min(float64(time.Second)/fps, float64(maxPromised)))}
}

// add adds a frame that is so many frames after the last one.
func (m *intervalMeter) add(at time.Duration, frames uint64) {
	before := m.last
	m.last = at
	if before == 0 || at <= before || frames == 0 {
		return
	}
	d := (at - before) / time.Duration(min(frames, 1000))
	switch {
	case m.count < minIntervals: // the plain mean
		m.mean += (d - m.mean) / time.Duration(m.count+1)
		m.count++
	default: // one long pause is no slow camera
		m.mean += (min(d, 4*m.mean) - m.mean) / 8
	}
}

// known reports whether interval is measured.
func (m *intervalMeter) known() bool { return m.count == minIntervals }

// interval returns the measured interval, or else the promised one.
func (m *intervalMeter) interval() time.Duration {
	switch {
	case m.known():
		return max(m.mean, time.Millisecond)
	case m.promised > 0:
		return m.promised
	}
	return defaultInterval
}
