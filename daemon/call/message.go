package call

import "time"

// receive takes what a peer sent.
func (c *Calls) receive(ev Event, now time.Time) {
	switch ev := ev.(type) {
	case GotInvite:
		if c.current(ev.Peer, ev.ID) {
			c.gotInvite(ev.Peer, ev.ID, now)
		}
	case GotRinging:
		if c.current(ev.Peer, ev.ID) {
			c.gotRinging(ev.Peer, ev.ID, now)
		}
	case GotAccept:
		if c.current(ev.Peer, ev.ID) {
			c.gotAccept(ev.Peer, ev.ID, now)
		}
	case GotResume:
		// To be in a call and to take one say the same: "I am in it".
		if c.current(ev.Peer, ev.ID) {
			c.gotAccept(ev.Peer, ev.ID, now)
		}
	case GotEnd:
		c.gotEnd(ev, now)
	}
}

// current says whether a message is to be looked at. One about a call that has ended is answered here.
func (c *Calls) current(peer string, id ID) bool {
	if !c.listens(peer) {
		return false
	}
	if e, ok := c.ended(peer, id); ok {
		c.sendEnd(peer, e)
		return false
	}
	return true
}

func (c *Calls) listens(peer string) bool { return c.cfg.Known[peer] && c.up[peer] }

func (c *Calls) gotInvite(peer string, id ID, now time.Time) {
	switch l := c.find(peer); {
	case l == nil:
		c.ring(peer, id, now)
	case l.State == Incoming && l.has(id):
		l.inviteBy = time.Time{}
		c.send(peer, SendRinging, id)
	case l.State == Incoming:
		// It has one call with us at most: the older one is over, and its end was lost.
		c.end(l, Cancelled, Remote, "", now, l.ids...)
		c.ring(peer, id, now)
	default:
		// Glare, our accept was lost, or the peer has lost the call and dials again.
		c.join(l, id, now)
		c.send(peer, SendAccept, id)
	}
}

// ring takes a new incoming call.
func (c *Calls) ring(peer string, id ID, now time.Time) {
	l := &live{
		Call:   Call{ID: id, Peer: peer, Direction: In, Started: now},
		ids:    []ID{id},
		ringBy: now.Add(guardRing),
	}
	switch {
	case c.cfg.DoNotDisturb:
		c.turnAway(l, DoNotDisturb, now)
	case len(c.calls) >= c.cfg.Max:
		c.turnAway(l, Busy, now)
	case c.cfg.AutoAnswer[peer]:
		c.calls = append(c.calls, l)
		c.accept(l, now)
	default:
		c.calls = append(c.calls, l)
		c.send(peer, SendRinging, id)
		c.enter(l, Incoming, now)
	}
}

// turnAway answers a call that never began. It is not remembered: should the answer be lost and the invite come again,
// things may be different by then.
func (c *Calls) turnAway(l *live, reason Reason, now time.Time) {
	c.sendEnd(l.Peer, end{id: l.ID, reason: reason})
	l.stopClocks()
	l.Reason, l.EndedBy = reason, Local
	c.enter(l, Ended, now)
}

func (c *Calls) gotRinging(peer string, id ID, now time.Time) {
	switch l := c.find(peer); {
	case l == nil || !l.has(id):
		c.disown(peer, id, now)
	case l.State == Calling:
		if !l.rang { // only once, or a link that comes and goes would let it ring for ever
			l.rang = true
			l.ringBy = now.Add(l.ringFor)
		}
		c.enter(l, Ringing, now)
	}
}

func (c *Calls) gotAccept(peer string, id ID, now time.Time) {
	switch l := c.find(peer); {
	case l == nil || (l.State == Incoming && !l.has(id)):
		c.disown(peer, id, now)
	case l.State == Incoming:
		// Whether a call that rings here is taken is not for its caller to say.
		c.end(l, UnknownCall, Local, "", now)
	default:
		c.join(l, id, now)
	}
}

func (c *Calls) gotEnd(ev GotEnd, now time.Time) {
	l := c.find(ev.Peer)
	if l == nil || !l.has(ev.ID) || !c.listens(ev.Peer) {
		return
	}
	reason := ev.Reason
	if reason.local() {
		reason = Failed // what such a value means here is not what the peer can have meant
	}
	c.end(l, reason, Remote, ev.Text, now, ev.ID)
}

// join makes a call that was dialled or taken here active, now that the peer is in it too, under whichever id.
func (c *Calls) join(l *live, id ID, now time.Time) {
	renamed := l.adopt(id)
	if l.State != Active {
		c.activate(l, now)
	} else if renamed {
		c.changed(l)
	}
}

func (c *Calls) activate(l *live, now time.Time) {
	if l.Answered.IsZero() {
		l.Answered = now
	}
	l.stopClocks()
	l.why = ""
	c.enter(l, Active, now)
}

func (l *live) stopClocks() {
	l.ringBy, l.reachBy, l.inviteBy, l.resumeBy = time.Time{}, time.Time{}, time.Time{}, time.Time{}
}
