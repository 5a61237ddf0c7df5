package congestion

import "time"

// paced finds out that it is our own kernel that sends no faster than it does. BBR spreads packets by what it believes that
// the link carries, and believes no more than it has seen: where frames were made smaller for a moment's sake, it has seen
// little, and they stay so, each holding up the other. Then BBR is told to search again: a frame that goes in less time than
// it might costs a full link nothing, as there is no more than one on the way.
type paced struct {
	at    time.Duration // when it was told last
	next  time.Duration // not before
	pause time.Duration
	pace  float64 // then

	crowded bool // soon after it packets were thrown away
}

const (
	// paceNear is how many times as fast as a frame went the kernel may send, and still be what held it up: BBR sends by
	// turns at 0.75 and 1.25 of what it believes.
	paceNear     = 1.4
	restartPause = 500 * time.Millisecond
	// restartRarely is the pause where searching again has come to nothing: the link carries no more, or not yet.
	restartRarely = 2 * time.Second
	// restartRarest is for routers that cannot even hold a frame: they lose much of it while BBR searches.
	restartRarest = 6 * time.Second
)

// holds says that BBR is to search again, after a frame that was made smaller has arrived.
func (p *paced) holds(s sample, way TCPInfo, crowded bool, now time.Duration) bool {
	p.crowded = p.crowded || crowded && now-p.at < restartPause
	if crowded || !s.shrunk || way.PacingRate == 0 || s.busy <= 0 || now < p.next {
		return false
	}
	if went := float64(s.bytes) / s.busy.Seconds(); way.PacingRate > paceNear*went {
		return false
	}
	switch {
	case p.crowded:
		p.pause = restartRarest
	case way.PacingRate > 1.2*p.pace:
		p.pause = restartPause
	default:
		p.pause = min(2*p.pause, restartRarely)
	}
	p.crowded = false
	p.pace, p.at, p.next = way.PacingRate, now, now+p.pause
	return true
}
