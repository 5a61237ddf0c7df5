package call

import (
	"errors"
	"fmt"
	"time"
)

func (c *Calls) dial(ev Dial, now time.Time) error {
	if !c.cfg.Known[ev.Peer] {
		return fmt.Errorf("call %s: %w", ev.Peer, ErrUnknownPeer)
	}
	l := c.find(ev.Peer)
	if l != nil && l.State != Incoming {
		return fmt.Errorf("call %s: %w (%s)", ev.Peer, ErrAlready, l.State)
	}
	if c.full() {
		return fmt.Errorf("call %s: %w (calls.max: %d)", ev.Peer, ErrBusy, c.cfg.Max)
	}
	if l != nil {
		c.acceptByUser(l, now)
		return nil
	}
	delete(c.unanswered, ev.Peer)
	l = &live{
		Call:        Call{ID: ev.ID, Peer: ev.Peer, Direction: Out, Started: now},
		ids:         []ID{ev.ID},
		ringTimeout: min(ev.RingTimeout, MaxRing),
	}
	if l.ringTimeout <= 0 {
		l.ringTimeout = c.cfg.RingTimeout
	}
	l.ringDeadline = now.Add(l.ringTimeout)
	if !c.up[l.Peer] {
		l.reachDeadline = now.Add(c.cfg.ReachTimeout)
	}
	c.calls = append(c.calls, l)
	c.send(l.Peer, SendInvite, l.ID)
	c.enter(l, Calling, now)
	return nil
}

func (c *Calls) answer(peer string, now time.Time) error {
	l, err := c.ringing(peer)
	if err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	if c.full() {
		return fmt.Errorf("answer %s: %w (calls.max: %d)", l.Peer, ErrBusy, c.cfg.Max)
	}
	c.acceptByUser(l, now)
	return nil
}

func (c *Calls) acceptByUser(l *live, now time.Time) {
	l.byUser = true
	delete(c.unanswered, l.Peer)
	c.accept(l, now)
}

func (c *Calls) reject(peer string, now time.Time) error {
	l, err := c.ringing(peer)
	if err != nil {
		return fmt.Errorf("reject: %w", err)
	}
	c.end(l, Declined, Local, "", now)
	return nil
}

func (c *Calls) hangup(peer string, now time.Time) error {
	// A call that rings here does not make the name of the other one necessary.
	l, err := c.pick(peer, func(l *live) bool { return peer != "" || l.State != Incoming })
	if peer == "" && errors.Is(err, ErrNoCall) {
		l, err = c.pick(peer, func(*live) bool { return true })
	}
	if err != nil {
		return fmt.Errorf("hang up: %w", err)
	}
	c.end(l, hangupReason(l), Local, "", now)
	return nil
}

// hangupReason returns the reason of a call that we end.
func hangupReason(l *live) Reason {
	switch l.State {
	case Calling, Ringing:
		return Cancelled
	case Incoming:
		return Declined
	}
	return HungUp
}

// ringing returns the call that rings here.
func (c *Calls) ringing(peer string) (*live, error) {
	l, err := c.pick(peer, func(l *live) bool { return l.State == Incoming })
	if err != nil && peer != "" {
		if l := c.find(peer); l != nil && (l.State == Active || l.State == Resuming) {
			return nil, fmt.Errorf("%s: %w (%s)", peer, ErrAlready, l.State)
		}
	}
	return l, err
}

// pick returns the matching call with a peer or, if peer is empty, the only
// matching call.
func (c *Calls) pick(peer string, match func(*live) bool) (*live, error) {
	var found *live
	for _, l := range c.calls {
		if !match(l) || (peer != "" && l.Peer != peer) {
			continue
		}
		if found != nil {
			return nil, ErrAmbiguous
		}
		found = l
	}
	switch {
	case found != nil:
		return found, nil
	case peer == "":
		return nil, ErrNoCall
	case !c.cfg.Known[peer]:
		return nil, fmt.Errorf("%s: %w", peer, ErrUnknownPeer)
	}
	return nil, fmt.Errorf("%s: %w", peer, ErrNoCall)
}

// accept answers a call that rings here.
func (c *Calls) accept(l *live, now time.Time) {
	if c.up[l.Peer] {
		c.send(l.Peer, SendAccept, l.ID)
		c.activate(l, now)
		return
	}
	// Resume on the next link informs the caller. Without a link, the caller
	// gives up after the same time as we do.
	l.Answered = now
	l.stopTimers()
	l.resumeDeadline = now.Add(c.cfg.ReachTimeout)
	c.enter(l, Resuming, now)
}

func (c *Calls) configure(cfg Config, now time.Time) {
	c.cfg = cfg.normalized()
	for i := len(c.calls) - 1; i >= 0; i-- {
		if l := c.calls[i]; !c.cfg.Known[l.Peer] {
			c.end(l, hangupReason(l), Local, "no longer paired", now)
		}
	}
	for peer := range c.ended {
		if !c.cfg.Known[peer] {
			delete(c.ended, peer)
		}
	}
	for peer := range c.unanswered {
		if !c.cfg.Known[peer] {
			delete(c.unanswered, peer)
		}
	}
}
