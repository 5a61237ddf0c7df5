package view

import (
	"time"

	"vchat/daemon/api"
)

// OnOwnClock replaces the times Since and Answered in a status that was just
// received by times of this program's monotonic clock. Ages computed from them
// stay right when the clock is set, for example by NTP from 1970.
func OnOwnClock(s *api.Status, received time.Time) {
	setSince(&s.Camera.Since, s.Camera.SinceMS, received)
	for i := range s.Calls {
		setCallTimes(&s.Calls[i], received)
	}
	for i := range s.Peers {
		setSince(&s.Peers[i].Link.Since, s.Peers[i].Link.SinceMS, received)
	}
}

// setTimes does the same for the times in an event.
func setTimes(e *api.Event, received time.Time) {
	if e.Status != nil {
		OnOwnClock(e.Status, received)
	}
	if e.Call != nil {
		setCallTimes(e.Call, received)
	}
	if e.Link != nil {
		setSince(&e.Link.Since, e.Link.SinceMS, received)
	}
	if e.PeerCamera != nil {
		setSince(&e.PeerCamera.Since, e.PeerCamera.SinceMS, received)
	}
	if e.Camera != nil {
		setSince(&e.Camera.Since, e.Camera.SinceMS, received)
	}
}

func setCallTimes(c *api.Call, received time.Time) {
	untilSince := c.Since.Sub(c.Answered)
	setSince(&c.Since, c.SinceMS, received)
	if !c.Since.IsZero() && !c.Answered.IsZero() {
		c.Answered = c.Since.Add(-untilSince)
	}
	if c.Link != nil {
		setSince(&c.Link.Since, c.Link.SinceMS, received)
	}
	if c.PeerCamera != nil {
		setSince(&c.PeerCamera.Since, c.PeerCamera.SinceMS, received)
	}
}

func setSince(since *time.Time, ms int64, received time.Time) {
	if !since.IsZero() {
		*since = received.Add(-time.Duration(ms) * time.Millisecond)
	}
}
