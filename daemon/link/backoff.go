package link

import (
	"math/rand/v2"
	"time"
)

// backoff returns pauses that double from a minimum to a maximum. Each is
// random in the upper half of its range: two devices that lost each other at
// the same moment must not dial in step.
type backoff struct{ minimum, maximum, current time.Duration }

func newBackoff(minimum, maximum time.Duration) *backoff {
	return &backoff{minimum: minimum, maximum: maximum}
}

func (b *backoff) next() time.Duration {
	b.current = min(max(2*b.current, b.minimum), b.maximum)
	return b.current/2 + rand.N(b.current/2+1)
}

func (b *backoff) reset() { b.current = 0 }
