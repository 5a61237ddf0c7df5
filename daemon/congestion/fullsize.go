package congestion

import "time"

// fullSize is the largest size that frames have had, before they were reduced,
// in the last one to two seconds. Frames of a camera vary by some ten percent.
type fullSize struct {
	current, previous int           // bytes, of the second that began at since and of the one before
	since             time.Duration // when current began
}

func (s *fullSize) onFrame(bytes int, now time.Duration) {
	if now-s.since > time.Second {
		s.previous, s.current, s.since = s.current, 0, now
	}
	s.current = max(s.current, bytes)
}

func (s *fullSize) max() int { return max(s.current, s.previous) }
