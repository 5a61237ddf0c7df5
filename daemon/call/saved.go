package call

import (
	"slices"
	"time"
)

// savedVersion is the version of Saved that is written, and the only one that is read.
const savedVersion = 1

// expiredFor is how long past a saved deadline is believed. A device without a battery-backed clock (any Raspberry Pi
// before the 5) starts in 1970 or where it was switched off, and jumps when the network has told it the time; a
// deadline further off than this was taken from a clock that was wrong, or is compared with one.
const expiredFor = 24 * time.Hour

// Saved is what must outlive the daemon of one call that was answered. It changes when a call does, not with time.
type Saved struct {
	Version   int       `json:"version"`
	IDs       []ID      `json:"ids"` // the first one names the call; 1 to 4
	Peer      string    `json:"peer"`
	Direction Direction `json:"direction"`
	Started   time.Time `json:"started"`
	Answered  time.Time `json:"answered"`
	ResumeBy  time.Time `json:"resume_by,omitzero"` // by this device's wall clock; zero while there is a link
	Restarts  uint32    `json:"restarts,omitempty"` // that it has outlived
}

func (s Saved) equal(other Saved) bool {
	return slices.Equal(s.IDs, other.IDs) && s.Peer == other.Peer && s.ResumeBy.Equal(other.ResumeBy) && s.Restarts == other.Restarts
}

// Saved gives the calls that are to be restored after a restart. Save says when that has changed.
func (c *Calls) Saved() []Saved {
	saved := []Saved{}
	// Round(0) drops the monotonic clock's reading: it means nothing after a restart.
	for _, l := range c.calls {
		if l.State != Active && l.State != Resuming {
			continue
		}
		saved = append(saved, Saved{
			Version: savedVersion, IDs: slices.Clone(l.ids), Peer: l.Peer, Direction: l.Direction,
			Started: l.Started.Round(0), Answered: l.Answered.Round(0), ResumeBy: l.resumeBy.Round(0), Restarts: l.Restarts,
		})
	}
	return saved
}

// Restore brings back what Saved gave before a restart, each call as Resuming. It comes before the first Step. What
// makes no sense is dropped: unknown peers, a second call with a peer, calls beyond Config.Max, other versions. A call
// whose time to resume has passed is told as ended; where the clock cannot be right it has Config.ResumeFor from now.
func (c *Calls) Restore(saved []Saved, now time.Time) []Action {
	c.saved = saved
	for _, s := range saved {
		if s.Version != savedVersion || len(s.IDs) == 0 || len(s.IDs) > maxIDs || slices.Contains(s.IDs, ID{}) ||
			!c.cfg.Known[s.Peer] || c.find(s.Peer) != nil || len(c.calls) >= c.cfg.Max {
			continue
		}
		l := &live{Call: Call{ID: s.IDs[0], Peer: s.Peer, Direction: In, Started: s.Started, Answered: s.Answered, Restarts: s.Restarts + 1}}
		if s.Direction == Out {
			l.Direction = Out
		}
		for _, id := range s.IDs {
			l.adopt(id)
		}
		l.ID = l.ids[0]
		l.resumeBy = now.Add(c.resumeLeft(s.ResumeBy, now))
		c.calls = append(c.calls, l)
		c.enter(l, Resuming, now)
	}
	c.expire(now)
	return c.finish()
}

// resumeLeft is how long a saved call may still take to resume: at most Config.ResumeFor, and not above zero if its
// time has passed.
func (c *Calls) resumeLeft(by, now time.Time) time.Duration {
	left := by.Sub(now.Round(0)) // by the wall clock: no other one outlives a restart
	if by.IsZero() || left > c.cfg.ResumeFor || left < -expiredFor {
		return c.cfg.ResumeFor
	}
	return left
}
