package link

import (
	"fmt"
	"time"
)

// qualityState is the quality of the frames that are sent, and why.
type qualityState struct {
	reduced      bool    // frames are smaller than the camera delivers them
	irreducible  bool    // they are too large, but have a format that cannot be reduced
	byMaxBitrate bool    // max_bitrate is the limit, not the link
	capacity     float64 // of the link, in Mbit/s
}

// judgeQuality returns the quality of a frame of sent bytes that would have
// full bytes without a budget. constrained is true while the camera's frames
// exceed the budget: then a small frame counts as reduced, too.
func judgeQuality(constrained bool, sent, full, budget int) qualityState {
	reduced := sent < full || constrained && sent <= budget
	return qualityState{reduced: reduced, irreducible: constrained && !reduced}
}

// String returns why frames are reduced; empty if they are not.
func (q qualityState) String() string {
	if !q.reduced && !q.irreducible {
		return ""
	}
	why := "max_bitrate"
	switch {
	case q.byMaxBitrate:
	case q.capacity < 0.9995: // what %.1f would print as less than 1.0
		why = fmt.Sprintf("link capacity %.0f kbit/s", q.capacity*1000)
	default:
		why = fmt.Sprintf("link capacity %.1f Mbit/s", q.capacity)
	}
	if q.irreducible {
		why += "; frames in this format cannot be reduced, so fewer are sent"
	}
	return why
}

// qualityReporter decides when a change of quality is worth a log line and an
// event: once it has lasted. At a link's limit the quality changes every
// second, so an improvement must last longer than a deterioration.
type qualityReporter struct {
	reported qualityState // without capacity
	pending  qualityState // differs from reported, since
	since    time.Duration
}

const (
	// reducedFor is how long frames must be reduced before it is reported:
	// longer than a short disturbance of a radio link.
	reducedFor = 2 * time.Second
	// restoredFor is how long frames must be in full quality before it is
	// reported.
	restoredFor = 10 * time.Second
)

// changed reports whether q must be reported now.
func (r *qualityReporter) changed(q qualityState, now time.Duration) bool {
	q.capacity, q.byMaxBitrate = 0, q.byMaxBitrate && (q.reduced || q.irreducible)
	mustLast := reducedFor
	if q == (qualityState{}) {
		mustLast = restoredFor
	}
	switch {
	case q == r.reported:
		r.pending = q
		return false
	case q != r.pending:
		r.pending, r.since = q, now
		return false
	case now-r.since < mustLast:
		return false
	}
	r.reported = q
	return true
}
