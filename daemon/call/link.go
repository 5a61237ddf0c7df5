package call

import "time"

func (c *Calls) linkUp(peer string, now time.Time) {
	c.up[peer] = true
	// Send End first. If Invite came before the End of an older call, the peer
	// would mistake it for glare, and end both.
	c.resendEnds(peer, now)
	l := c.find(peer)
	if l == nil {
		return
	}
	l.reachDeadline = time.Time{}
	switch l.State {
	case Calling, Ringing:
		c.send(peer, SendInvite, l.ID)
	case Incoming:
		l.inviteDeadline = now.Add(inviteTimeout)
		c.send(peer, SendRinging, l.ID) // a caller that gave up answers End
	case Active, Resuming:
		c.send(peer, SendResume, l.ID)
	}
}

func (c *Calls) linkDown(ev LinkDown, now time.Time) {
	was := c.up[ev.Peer]
	delete(c.up, ev.Peer)
	l := c.find(ev.Peer)
	if l == nil {
		return
	}
	if ev.Err != nil {
		l.linkErr = truncate(ev.Err.Error())
	}
	if !was {
		return
	}
	switch l.State {
	case Calling, Ringing, Incoming:
		l.inviteDeadline = time.Time{}
		l.reachDeadline = now.Add(c.cfg.ReachTimeout)
		if l.State == Ringing {
			c.enter(l, Calling, now)
		}
	case Active:
		l.resumeDeadline = now.Add(c.cfg.ResumeFor)
		c.enter(l, Resuming, now)
	case Resuming:
		// The peer had not confirmed the call on that link: the timer
		// continues.
	}
}

// refused ends a call that waits for its first link. An answered call continues
// to wait: another device at the peer's address (reassigned by DHCP) must not
// end it.
func (c *Calls) refused(ev Refused, now time.Time) {
	l := c.find(ev.Peer)
	if l == nil || c.up[ev.Peer] {
		return
	}
	l.linkErr = truncate(ev.Text)
	if l.State != Calling {
		return
	}
	reason := Unreachable
	if ev.WrongIdentity {
		reason = WrongIdentity
	}
	c.end(l, reason, Local, l.linkErr, now)
}
