package link

import (
	"math/rand/v2"
	"time"
)

// backoff gives pauses that double from least to most. Each is drawn from the upper half of its range, so that two devices
// that lost each other at the same moment do not dial in step.
type backoff struct{ least, most, now time.Duration }

func newBackoff(least, most time.Duration) *backoff { return &backoff{least: least, most: most} }

func (b *backoff) next() time.Duration {
	b.now = min(max(2*b.now, b.least), b.most)
	return b.now/2 + rand.N(b.now/2+1)
}

func (b *backoff) reset() { b.now = 0 }
