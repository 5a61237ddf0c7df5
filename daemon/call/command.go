package call

import (
	"fmt"
	"time"
)

func (c *Calls) dial(ev Dial, now time.Time) error {
	if !c.cfg.Known[ev.Peer] {
		return fmt.Errorf("call %s: %w", ev.Peer, ErrUnknownPeer)
	}
	if l := c.find(ev.Peer); l != nil {
		if l.State == Incoming {
			c.accept(l, now)
			return nil
		}
		return fmt.Errorf("call %s: %w (%s)", ev.Peer, ErrAlready, l.State)
	}
	if len(c.calls) >= c.cfg.Max {
		return fmt.Errorf("call %s: %w (calls.max is %d)", ev.Peer, ErrBusy, c.cfg.Max)
	}
	l := &live{
		Call:    Call{ID: ev.ID, Peer: ev.Peer, Direction: Out, Started: now},
		ids:     []ID{ev.ID},
		ringFor: min(ev.RingTimeout, MaxRing),
	}
	if l.ringFor <= 0 {
		l.ringFor = c.cfg.RingTimeout
	}
	l.ringBy = now.Add(l.ringFor)
	if !c.up[l.Peer] {
		l.reachBy = now.Add(c.cfg.ReachTimeout)
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
	c.accept(l, now)
	return nil
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
	l, err := c.pick(peer, func(*live) bool { return true })
	if err != nil {
		return fmt.Errorf("hang up: %w", err)
	}
	c.end(l, givingUp(l), Local, "", now)
	return nil
}

// givingUp is the reason of a call that is ended from here as it stands.
func givingUp(l *live) Reason {
	switch l.State {
	case Calling, Ringing:
		return Cancelled
	case Incoming:
		return Declined
	}
	return HungUp
}

// ringing gives the call that rings here.
func (c *Calls) ringing(peer string) (*live, error) {
	l, err := c.pick(peer, func(l *live) bool { return l.State == Incoming })
	if err != nil && peer != "" {
		if l := c.find(peer); l != nil && (l.State == Active || l.State == Resuming) {
			return nil, fmt.Errorf("%s: %w (%s)", peer, ErrAlready, l.State)
		}
	}
	return l, err
}

// pick gives the call with a peer, or for an empty one the only call that is meant.
func (c *Calls) pick(peer string, meant func(*live) bool) (*live, error) {
	var found *live
	for _, l := range c.calls {
		if !meant(l) || (peer != "" && l.Peer != peer) {
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

// accept takes a call that rings here.
func (c *Calls) accept(l *live, now time.Time) {
	if c.up[l.Peer] {
		c.send(l.Peer, SendAccept, l.ID)
		c.activate(l, now)
		return
	}
	// The caller will hear of it on the next link, by Resume. Without one it gives up as soon as we would.
	l.Answered = now
	l.stopClocks()
	l.resumeBy = now.Add(c.cfg.ReachTimeout)
	c.enter(l, Resuming, now)
}

func (c *Calls) configure(cfg Config, now time.Time) {
	c.cfg = cfg.normal()
	for i := len(c.calls) - 1; i >= 0; i-- {
		if l := c.calls[i]; !c.cfg.Known[l.Peer] {
			c.end(l, givingUp(l), Local, "no longer among the known peers", now)
		}
	}
	for peer := range c.gone {
		if !c.cfg.Known[peer] {
			delete(c.gone, peer)
		}
	}
}
