package congestion

import "time"

// fullSize is the largest size of a frame before reduction in the last one to
// two seconds. The frames of a camera vary by about ten percent.
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
