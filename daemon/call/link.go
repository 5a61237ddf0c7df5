package call

import "time"

func (c *Calls) linkUp(peer string, now time.Time) {
	c.up[peer] = true
	// Ends go first: an invite that came before the end of an older call would be taken for glare, and end with it.
	c.sayEnds(peer, now)
	l := c.find(peer)
	if l == nil {
		return
	}
	l.reachBy = time.Time{}
	switch l.State {
	case Calling, Ringing:
		c.send(peer, SendInvite, l.ID)
	case Incoming:
		l.inviteBy = now.Add(inviteAgain)
		c.send(peer, SendRinging, l.ID) // if the caller gave up and has forgotten it, it says so
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
		l.why = clip(ev.Err.Error())
	}
	if !was {
		return
	}
	switch l.State {
	case Calling, Ringing, Incoming:
		l.inviteBy = time.Time{}
		l.reachBy = now.Add(c.cfg.ReachTimeout)
		if l.State == Ringing {
			c.enter(l, Calling, now)
		}
	case Active:
		l.resumeBy = now.Add(c.cfg.ResumeFor)
		c.enter(l, Resuming, now)
	case Resuming:
		// The peer said nothing while the link was up: the time goes on running.
	}
}

// refused ends a call that waits for its first link. One that was answered waits on: a stranger at the peer's address
// (DHCP gave it to another device) must not be able to end it.
func (c *Calls) refused(ev Refused, now time.Time) {
	l := c.find(ev.Peer)
	if l == nil || c.up[ev.Peer] {
		return
	}
	l.why = clip(ev.Text)
	if l.State != Calling {
		return
	}
	reason := Unreachable
	if ev.WrongIdentity {
		reason = WrongIdentity
	}
	c.end(l, reason, Local, l.why, now)
}
