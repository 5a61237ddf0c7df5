package congestion

import "time"

// natural is how large frames have lately been, as they came.
type natural struct {
	now, before int
	since       time.Duration
}

func (n *natural) saw(bytes int, at time.Duration) {
	if at-n.since > time.Second {
		n.before, n.now, n.since = n.now, 0, at
	}
	n.now = max(n.now, bytes)
}

func (n *natural) most() int { return max(n.now, n.before) }
