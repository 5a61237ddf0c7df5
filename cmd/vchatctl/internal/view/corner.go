package view

import (
	"context"

	"vchat/daemon/api"
)

// corner is the feed of the own picture that is shown beside another.
type corner struct {
	newest *Newest
	cancel context.CancelFunc
	feed   *feed
}

// turnCorner switches the own picture on or off.
func (s *Session) turnCorner() {
	s.mu.Lock()
	c := s.corner
	s.corner = nil
	if c == nil && s.ctx.Err() == nil {
		ctx, cancel := context.WithCancel(s.ctx)
		f := newFeed(ctx, s.client, func() string { return api.Self }, true)
		s.corner = &corner{newest: Follow(f), cancel: cancel, feed: f}
	}
	s.mu.Unlock()
	if c != nil {
		c.close()
	}
}

func (c *corner) close() {
	c.cancel()
	c.feed.look()
	c.newest.Wait()
}

// Corner gives the own frames while they are wanted, else nil.
func (s *Session) Corner() *Newest {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.corner == nil {
		return nil
	}
	return s.corner.newest
}
