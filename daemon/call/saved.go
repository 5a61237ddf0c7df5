package call

import (
	"slices"
	"time"
)

// SavedVersion is the version of Saved. Restore ignores other versions.
const SavedVersion = 1

// maxExpired is how long ago a saved deadline may plausibly have passed. A
// larger difference means that one of the two times is wrong: without a
// battery-backed clock (any Raspberry Pi before the 5), a device starts in 1970
// or at its last time, and jumps when it gets the time from the network.
const maxExpired = 24 * time.Hour

// Saved is the state of an answered call that survives a restart. It does not
// change merely because time passes.
type Saved struct {
	Version   int       `json:"version"`
	IDs       []ID      `json:"ids"` // 1 to 4; the first one is Call.ID
	Peer      string    `json:"peer"`
	Direction Direction `json:"direction"`
	Started   time.Time `json:"started"`
	Answered  time.Time `json:"answered"`
	ResumeBy  time.Time `json:"resume_by,omitzero"` // wall clock; zero while there is a link
	Restarts  uint32    `json:"restarts,omitempty"` // restarts of this device since the call began
}

func (s Saved) equal(other Saved) bool {
	return slices.Equal(s.IDs, other.IDs) && s.Peer == other.Peer && s.ResumeBy.Equal(other.ResumeBy) &&
		s.Restarts == other.Restarts
}

// Saved returns the calls to restore after a restart. The action Save reports
// changes.
func (c *Calls) Saved() []Saved {
	saved := []Saved{}
	// Round(0) removes the monotonic clock reading, which is invalid after a
	// restart.
	for _, l := range c.calls {
		if l.State != Active && l.State != Resuming {
			continue
		}
		saved = append(saved, Saved{
			Version: SavedVersion, IDs: slices.Clone(l.ids), Peer: l.Peer, Direction: l.Direction,
			Started: l.Started.Round(0), Answered: l.Answered.Round(0), ResumeBy: l.resumeDeadline.Round(0),
			Restarts: l.Restarts,
		})
	}
	return saved
}

// Restore restores the calls that Saved returned before a restart, in the state
// Resuming. Call it before the first Step. It ignores invalid entries: unknown
// peers, a second call with a peer, calls beyond Config.Max, other versions. It
// reports an expired call as ended. If the clock is implausible, the call may
// resume within Config.ResumeFor from now.
func (c *Calls) Restore(saved []Saved, now time.Time) []Action {
	c.saved = saved
	for _, s := range saved {
		if s.Version != SavedVersion || len(s.IDs) == 0 || len(s.IDs) > maxIDs || slices.Contains(s.IDs, ID{}) ||
			!c.cfg.Known[s.Peer] || c.find(s.Peer) != nil || len(c.calls) >= c.cfg.Max {
			continue
		}
		answered := plausible(s.Answered, now)
		started := plausible(s.Started, answered)
		l := &live{Call: Call{ID: s.IDs[0], Peer: s.Peer, Direction: In, Started: started, Answered: answered,
			Restarts: s.Restarts + 1}}
		if s.Direction == Out {
			l.Direction = Out
		}
		for _, id := range s.IDs {
			l.adopt(id)
		}
		l.ID = l.ids[0]
		l.resumeDeadline = now.Add(c.resumeTime(s.ResumeBy, now))
		c.calls = append(c.calls, l)
		c.enter(l, Resuming, now)
	}
	c.expire(now)
	return c.takeActions()
}

// maxCallAge is the longest plausible time between the start of a saved call
// and its restoration.
const maxCallAge = 366 * 24 * time.Hour

// plausible returns a saved time; latest if it is later or implausibly early: a
// clock was wrong, then or now. Like latest it has the monotonic clock, so that
// a later change of the wall clock does not change the age of the call.
func plausible(saved, latest time.Time) time.Time {
	if saved.After(latest) || latest.Sub(saved) > maxCallAge {
		return latest
	}
	return latest.Add(saved.Sub(latest.Round(0)))
}

// resumeTime returns how long a saved call may still resume: at most
// Config.ResumeFor; zero or less if it has expired.
func (c *Calls) resumeTime(by, now time.Time) time.Duration {
	left := by.Sub(now.Round(0)) // by the wall clock, the only one that survives a restart
	if by.IsZero() || left > c.cfg.ResumeFor || left < -maxExpired {
		return c.cfg.ResumeFor
	}
	return left
}
