package congestion

import (
	"cmp"
	"time"
)

// rate finds out how much video a link carries, and so how many bytes a frame may have. It looks at the share of the time
// that frames occupy the link, and at how late they are: loss alone says nothing on a radio link, and a queue says
// everything before there is loss. It is pure: the writer's goroutine tells it what the window has learnt.
//
//	        late, or busy above full                    light
//	free ────────────────────────────▶ below ceiling ──────────▶ near ceiling ──────────▶ above it ──────────▶ free
//	                                     ▲    │ × 2, at once       │ × 1.2, after a wait     │ × 2
//	                                     │    └─────────┬──────────┴───────────┬─────────────┘
//	                                     └─── share of what it carries now ────┘ late, or busy above full
//
// The ceiling is what the link carried when it was full. A link with a bucket of tokens looks idle until that is empty, so it
// has to be tried now and then whether the ceiling has gone: less often where it has not, but always within 1.5 s, so that
// quality is back within 3 s. What a single frame says is not enough to forget a ceiling that was seen before: radios and
// schedulers have hiccups.
type rate struct {
	limit   float64       // bytes a second; 0: free, frames go as they are
	ceiling float64       // bytes a second; 0: not known
	seen    time.Duration // when the ceiling was last seen
	fails   int           // how often in a row
	doubt   float64       // a ceiling that was seen once, far below the one that is known
	next    time.Duration // no step up near the ceiling before
	changed time.Duration // of the limit; what was sent before it says nothing of it

	whole   seconds // what the link takes for a byte where nothing is lost, smoothed
	wholeAt time.Duration

	recent  [8]sample // a ring
	counted int       // of recent since the last change; above its length only their place matters
}

const (
	share    = 0.85 // of what the link carries is used
	full     = 0.95 // more than this is too much
	light    = 0.70 // with less there is room
	enough   = 3    // samples for a step
	nearness = 1.5  // times the ceiling is near it
	severe   = 3    // times as late as it may be is no small excess
	few      = 3    // frames are looked at where it is small

	// longestSpan bounds the time that one frame may occupy the link, where the camera gives few.
	longestSpan = 120 * time.Millisecond
	// grace is what a frame may be late beyond its turn for reasons of schedulers and radios.
	grace = 15 * time.Millisecond
	// leastLimit is a quarter of a Mbit/s. Less than that leaves no more of a frame, but takes longer to come back from.
	leastLimit = 32e3

	firstWait   = 150 * time.Millisecond
	longestWait = 1500 * time.Millisecond // so that quality is back within 3 s
	memory      = 10 * time.Second        // of a ceiling
	wholeLasts  = time.Second             // what was seen of frames without losses
)

// course is what the camera and the link are like while a sample is judged.
type course struct {
	interval time.Duration // between two frames of the camera
	trip     time.Duration // the least round trip
	asked    float64       // bytes a second that frames take as they are
}

func (r *rate) heard(s sample, c course, now time.Duration) {
	switch {
	case s.moved:
		r.ceiling, r.doubt, r.fails = 0, 0, 0
		r.restart(now)
		return
	case s.sent < r.changed:
		return
	}
	if s.mended {
		s.busy = r.unmended(s, c.trip, now)
	} else {
		r.unharmed(s, now)
	}
	r.recent[r.counted%len(r.recent)] = s
	if r.counted++; r.counted == 2*len(r.recent) {
		r.counted = len(r.recent) // an int of 32 bits would be too small for a link that lasts for years
	}
	span := min(c.interval, longestSpan)
	used, n := r.used(span)
	allowed := span + 3*c.trip/2 + grace // a packet lost costs a round trip and somewhat more, and is no reason
	if s.mended {
		allowed += c.trip
	}
	switch {
	case s.mended && s.late > allowed && s.late <= severe*allowed:
		// Smaller frames lose less. What the link took for them without the losses says nothing of that.
		r.cut(min(1/float64(r.slowness(few)), cmp.Or(r.limit, c.asked)), c, now)
	case s.late > severe*allowed:
		r.cut(1/float64(r.slowness(1)), c, now)
	case s.late > allowed:
		r.cut(1/float64(r.slowness(few)), c, now)
	case n > enough && used > full:
		r.cut(1/float64(r.slowness(len(r.recent))), c, now)
	case r.limit > 0 && s.shrunk && n >= enough && used < light:
		r.climb(c, now)
	}
}

// unmended is what a frame would have occupied the link without losses: as much as others of late that had none; or, where
// that is not known, less by the two round trips that a loss may cost, one to hear of it and one until the kernel sends as much
// as before. One that only waited behind a frame with a hole arrived at once after it, and says nothing by itself.
func (r *rate) unmended(s sample, trip, now time.Duration) time.Duration {
	without := max(0, s.busy-2*trip)
	if r.whole == 0 || now-r.wholeAt > wholeLasts {
		return without
	}
	return max(without, r.whole.of(s.bytes))
}

// unharmed learns from a frame of which nothing was lost.
func (r *rate) unharmed(s sample, now time.Duration) {
	is := seconds(s.busy.Seconds() / float64(max(s.bytes, 1)))
	if r.whole == 0 || now-r.wholeAt > wholeLasts {
		r.whole = is
	}
	r.whole += (is - r.whole) / 4
	r.wholeAt = now
}

// cut goes below what the link was seen to carry just now.
func (r *rate) cut(carries float64, c course, now time.Duration) {
	to := max(carries*share, leastLimit)
	if r.limit > 0 && to >= r.limit || r.limit == 0 && to >= c.asked {
		return // it was a hiccup
	}
	r.limit = to
	r.restart(now)
	known := r.ceiling > 0 && now-r.seen < memory
	switch {
	case known && carries < r.ceiling/nearness && (r.doubt == 0 || carries > r.doubt*nearness):
		r.doubt = carries
		return
	case known && carries > r.ceiling/nearness && carries < r.ceiling*nearness:
		r.ceiling = (r.ceiling + carries) / 2
		r.fails++
	default:
		r.ceiling, r.fails = carries, 1
	}
	r.seen, r.doubt = now, 0
	r.next = now + min(firstWait<<min(r.fails-1, 10), longestWait)
}

// climb makes a step up, but not beyond what the frames of late say that the link carries.
func (r *rate) climb(c course, now time.Duration) {
	below, above := r.ceiling*share, r.ceiling*nearness
	to := 2 * r.limit
	switch {
	case r.limit < below-1:
		to = min(to, below)
	case r.limit < above && now < r.next:
		return
	case r.limit < above:
		to = min(1.2*r.limit, 1.2*above)
	}
	if s := float64(r.slowness(len(r.recent))); s > 0 {
		to = min(to, share/s)
	}
	if to <= r.limit {
		return
	}
	r.limit = to
	r.restart(now)
	if r.limit >= c.asked {
		r.limit = 0
	}
}

func (r *rate) restart(now time.Duration) { r.changed, r.counted = now, 0 }

// used gives the share of the time between frames that one occupies the link, and of how many that is known.
func (r *rate) used(span time.Duration) (float64, int) {
	n := min(r.counted, len(r.recent))
	var busy time.Duration
	for _, s := range r.recent[:n] {
		busy += s.busy
	}
	return float64(busy) / float64(span) / float64(max(n, 1)), n
}

// slowness is what the link took for a byte of the last n frames; 0 where that is not known.
func (r *rate) slowness(n int) seconds {
	var busy time.Duration
	bytes := 0
	for i := range min(n, r.counted, len(r.recent)) {
		s := &r.recent[(r.counted-1-i)%len(r.recent)]
		busy += s.busy
		bytes += s.bytes
	}
	switch {
	case bytes > 0:
		return seconds(busy.Seconds() / float64(bytes))
	case r.ceiling > 0:
		return seconds(1 / r.ceiling)
	}
	return 0
}

// carries is what the link is taken to carry, in Mbit/s: what it was seen to when it was full, or less where frames are
// held to less at present.
func (r *rate) carries() float64 {
	carries := r.ceiling
	if r.limit > 0 && (carries == 0 || r.limit/share < carries) {
		carries = r.limit / share
	}
	return carries * 8 / 1e6
}

// room is how many bytes a frame may have; 0: as many as it has.
func (r *rate) room(interval time.Duration) int {
	return int(r.limit * min(interval, longestSpan).Seconds())
}
