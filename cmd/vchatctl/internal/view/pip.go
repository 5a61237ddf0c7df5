package view

import (
	"context"

	"vchat/daemon/api"
)

// pip is the picture-in-picture: this device's own feed in a corner.
type pip struct {
	newest *Newest
	cancel context.CancelFunc
	feed   *feed
}

// togglePIP shows or hides the picture-in-picture. It can be shown in a call
// only, but the choice outlasts the call.
func (s *Session) togglePIP() {
	s.mu.Lock()
	refused := !s.showOwn && !s.callAnswered()
	s.showOwn = !s.showOwn && !refused
	s.mu.Unlock()
	if refused {
		s.addLine("no call: your own picture is shown in a call")
	}
	s.updatePIP()
}

// updatePIP opens or closes this device's feed. Without a call it is closed,
// and so is the camera: a viewer that waits for calls must not keep it on.
func (s *Session) updatePIP() {
	s.mu.Lock()
	old := s.pip
	switch {
	case !s.showOwn || !s.callAnswered():
		s.pip = nil
	case old == nil && s.ctx.Err() == nil:
		ctx, cancel := context.WithCancel(s.ctx)
		f := newFeed(ctx, s.client, func() string { return api.Self }, true)
		s.pip = &pip{newest: ReadNewest(f), cancel: cancel, feed: f}
		fallthrough
	default:
		old = nil
	}
	s.mu.Unlock()
	if old != nil {
		old.close()
	}
}

// callAnswered reports whether there is an answered call, as far as is known:
// after a restart the daemon may not have it any more. The caller holds s.mu.
func (s *Session) callAnswered() bool { return s.device.daemonUp && s.device.connectedPeer() != "" }

func (p *pip) close() {
	p.cancel()
	p.feed.recheck()
	p.newest.Wait()
}

// PIP returns the frames of the picture-in-picture, or nil if it is hidden.
func (s *Session) PIP() *Newest {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pip == nil {
		return nil
	}
	return s.pip.newest
}
