package call

import (
	"fmt"
	"math"
	"time"
)

// A peer that rings again and again must not keep the user busy, nor fill logs
// and lists of missed calls. Each of its unanswered calls makes the
// pause longer that it has to wait before the next one:
//
//	unanswered calls   1    2    3     4 and more
//	pause              0    2 s  10 s  60 s
//
// So a person whose call was declined can try again at once. A call that was
// refused because of the limit of calls, or by do_not_disturb, counts at most
// as the third: it did not ring. An automatically answered call counts if the
// user hangs up before minTalk; if the peer does, only beyond freeShort of
// them. The count begins again when the user answers that peer or calls it,
// after an automatically answered call of minTalk, and after forgetAfter
// without a call.

var pauses = [...]time.Duration{0, 2 * time.Second, 10 * time.Second, time.Minute}

const (
	refusedCount = 3                // a refused call counts at most as this one
	minTalk      = 10 * time.Second // an automatically answered call that was meant
	freeShort    = 10               // shorter ones that do not count
	forgetAfter  = 10 * time.Minute
)

// unanswered counts the calls of a peer that were not answered.
type unanswered struct {
	count    int
	short    int       // automatically answered calls that the peer has ended soon
	until    time.Time // when the peer may ring again
	reported bool      // a call within the present pause was reported
}

// countEnded counts a call that has ended.
func (c *Calls) countEnded(l *live, reason Reason, by Side, now time.Time) {
	if l.Direction == Out || l.byUser {
		return
	}
	if !l.Answered.IsZero() && now.Sub(l.Answered) >= minTalk {
		delete(c.unanswered, l.Peer)
		return
	}
	if hungUpHere := reason == HungUp && by == Local; !l.Answered.IsZero() && !hungUpHere {
		if u := c.unanswered[l.Peer]; u.short < freeShort {
			u.short++
			u.until = latest(u.until, now)
			c.unanswered[l.Peer] = u
			return
		}
	}
	c.countUnanswered(l.Peer, len(pauses), now)
}

// countUnanswered counts a call, which is at most one of these. The count does
// not decrease.
func (c *Calls) countUnanswered(peer string, most int, now time.Time) {
	u := c.unanswered[peer]
	u.count = max(u.count, min(u.count+1, most))
	u.until, u.reported = now.Add(pauses[u.count-1]), false
	c.unanswered[peer] = u
}

// pause refuses an invite that comes too early after others, and reports
// whether it has.
func (c *Calls) pause(peer string, id ID, now time.Time) bool {
	u := c.unanswered[peer]
	left := u.until.Sub(now)
	switch {
	case left <= -forgetAfter:
		delete(c.unanswered, peer)
		return false
	case left <= 0:
		return false
	}
	e := end{id: id, reason: Busy,
		text: fmt.Sprintf("called too often; try again in %.0f s", math.Ceil(left.Seconds()))}
	if c.cfg.DoNotDisturb {
		e.reason = DoNotDisturb
	}
	c.sendEnd(peer, e)
	if !u.reported {
		u.reported = true
		c.unanswered[peer] = u
		c.actions = append(c.actions, Paused{Peer: peer, For: left})
	}
	return true
}

// latest returns the later of two times.
func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
