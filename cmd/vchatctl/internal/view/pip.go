package view

import (
	"context"

	"vchat/daemon/api"
)

// corner is the feed of the own picture that is shown beside another.
type pip struct {
	newest *Newest
	cancel context.CancelFunc
	feed   *feed
}

// togglePIP switches the own picture on or off.
func (s *Session) togglePIP() {
	s.mu.Lock()
	c := s.pip
	s.pip = nil
	if c == nil && s.ctx.Err() == nil {
		ctx, cancel := context.WithCancel(s.ctx)
		f := newFeed(ctx, s.client, func() string { return api.Self }, true)
		s.pip = &pip{newest: Follow(f), cancel: cancel, feed: f}
	}
	s.mu.Unlock()
	if c != nil {
		c.close()
	}
}

func (c *pip) close() {
	c.cancel()
	c.feed.look()
	c.newest.Wait()
}

// Corner gives the own frames while they are wanted, else nil.
func (s *Session) PIP() *Newest {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pip == nil {
		return nil
	}
	return s.pip.newest
}
