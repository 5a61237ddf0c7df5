package call

import "time"

// receive processes a message of a peer.
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
		// Accept and Resume both mean: I am in this call.
		if c.current(ev.Peer, ev.ID) {
			c.gotAccept(ev.Peer, ev.ID, now)
		}
	case GotEnd:
		c.gotEnd(ev, now)
	}
}

// current reports whether to process a message. It answers a message for an
// ended call with End.
func (c *Calls) current(peer string, id ID) bool {
	if !c.accepts(peer) {
		return false
	}
	if e, ok := c.findEnd(peer, id); ok {
		c.sendEnd(peer, e)
		return false
	}
	return true
}

func (c *Calls) accepts(peer string) bool { return c.cfg.Known[peer] && c.up[peer] }

func (c *Calls) gotInvite(peer string, id ID, now time.Time) {
	switch l := c.find(peer); {
	case l == nil:
		c.ring(peer, id, now)
	case l.State == Incoming && l.has(id):
		l.inviteDeadline = time.Time{}
		c.send(peer, SendRinging, id)
	case l.State == Incoming:
		// The peer has at most one call with us: the older one has ended, and
		// its End was lost.
		c.end(l, Cancelled, Remote, "", now, l.ids...)
		c.ring(peer, id, now)
	default:
		// Glare, or our Accept was lost, or the peer lost the call and dials
		// again.
		c.join(l, id, now)
		c.send(peer, SendAccept, id)
	}
}

// ring handles a new incoming call.
func (c *Calls) ring(peer string, id ID, now time.Time) {
	if c.pause(peer, id, now) {
		return
	}
	l := &live{
		Call:         Call{ID: id, Peer: peer, Direction: In, Started: now},
		ids:          []ID{id},
		ringDeadline: now.Add(maxIncomingRing),
	}
	switch {
	case c.cfg.DoNotDisturb:
		c.refuse(l, DoNotDisturb, now)
	case c.full():
		c.refuse(l, Busy, now)
	case c.cfg.AutoAnswer[peer]:
		c.calls = append(c.calls, l)
		c.accept(l, now)
	default:
		c.calls = append(c.calls, l)
		c.send(peer, SendRinging, id)
		c.enter(l, Incoming, now)
	}
}

// refuse refuses an incoming call at once. It does not remember the call: if
// the End is lost and Invite comes again, the answer may be different.
func (c *Calls) refuse(l *live, reason Reason, now time.Time) {
	c.sendEnd(l.Peer, end{id: l.ID, reason: reason})
	c.countUnanswered(l.Peer, refusedCount, now)
	l.stopTimers()
	l.Reason, l.EndedBy = reason, Local
	c.enter(l, Ended, now)
}

func (c *Calls) gotRinging(peer string, id ID, now time.Time) {
	switch l := c.find(peer); {
	case l == nil || !l.has(id):
		c.denyCall(peer, id, now)
	case l.State == Calling:
		if !l.hasRung { // only once, or an unstable link would extend it without end
			l.hasRung = true
			l.ringDeadline = now.Add(l.ringTimeout)
		}
		c.enter(l, Ringing, now)
	}
}

func (c *Calls) gotAccept(peer string, id ID, now time.Time) {
	switch l := c.find(peer); {
	case l == nil || (l.State == Incoming && !l.has(id)):
		c.denyCall(peer, id, now)
	case l.State == Incoming:
		// The caller cannot answer a call that rings here.
		c.end(l, UnknownCall, Local, "", now)
	default:
		c.join(l, id, now)
	}
}

func (c *Calls) gotEnd(ev GotEnd, now time.Time) {
	l := c.find(ev.Peer)
	if l == nil || !l.has(ev.ID) || !c.accepts(ev.Peer) {
		return
	}
	reason := ev.Reason
	if reason.isLocal() {
		reason = Failed // for the peer this value cannot have its local meaning
	}
	c.end(l, reason, Remote, ev.Text, now, ev.ID)
}

// join makes an outgoing or answered call active: the peer is in it too, under
// this id.
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
	l.stopTimers()
	l.linkErr = ""
	c.enter(l, Active, now)
}

func (l *live) stopTimers() {
	l.ringDeadline, l.reachDeadline, l.inviteDeadline, l.resumeDeadline = time.Time{}, time.Time{}, time.Time{},
		time.Time{}
}
