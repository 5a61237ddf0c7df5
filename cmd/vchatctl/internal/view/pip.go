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

// togglePIP shows or hides the picture-in-picture.
func (s *Session) togglePIP() {
	s.mu.Lock()
	old := s.pip
	s.pip = nil
	if old == nil && s.ctx.Err() == nil {
		ctx, cancel := context.WithCancel(s.ctx)
		f := newFeed(ctx, s.client, func() string { return api.Self }, true)
		s.pip = &pip{newest: ReadNewest(f), cancel: cancel, feed: f}
	}
	s.mu.Unlock()
	if old != nil {
		old.close()
	}
}

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
