package view

import (
	"context"
	"time"

	"vchat/daemon/api"
)

// DisplayState is what a display tells people who do not look at it.
type DisplayState struct {
	Title   string // of the window: who calls, or which peer it shows
	Ringing bool   // a peer calls, or a device wants to pair
	Busy    bool   // there is something to see: keep the monitor on
}

// A StateDisplay is a Display that tells its state to the desktop, or that can
// turn its monitor off. SetState is for one goroutine, and may be called while
// Next waits.
type StateDisplay interface {
	SetState(DisplayState)
}

// DisplayState returns the present state.
func (s *Session) DisplayState() DisplayState {
	feed, _ := s.feed.current()
	s.mu.Lock()
	defer s.mu.Unlock()
	pairing, asks := NewPairing(s.device.status.Pairing, s.rights)
	call := s.shownCall(feed)
	switch caller := s.device.caller(); {
	case caller != "":
		return DisplayState{Title: caller + " is calling", Ringing: true, Busy: true}
	case asks && s.device.daemonUp:
		return DisplayState{Title: pairing.Title, Ringing: true, Busy: true}
	case feed == api.Self:
		return DisplayState{Title: "This device's camera", Busy: true}
	case feed != "":
		return DisplayState{Title: feed, Busy: true}
	case call != nil:
		return DisplayState{Title: "Calling " + call.Peer, Busy: true}
	}
	return DisplayState{Title: "vchat"}
}

// stateInterval is how often reportState looks for a change. The session's own
// channel has another reader, which may wait for a display that is not visible.
const stateInterval = 200 * time.Millisecond

// reportState sets a display's state at each change, until ctx ends.
func reportState(ctx context.Context, s *Session, d StateDisplay) {
	tick := time.NewTicker(stateInterval)
	defer tick.Stop()
	var reported DisplayState
	for {
		if state := s.DisplayState(); state != reported {
			reported = state
			d.SetState(state)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
