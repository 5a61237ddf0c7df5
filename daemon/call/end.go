package call

import (
	"slices"
	"strings"
	"time"
)

// end is an ended call under one of its ids, remembered to answer later
// messages of the peer.
type end struct {
	id           ID
	reason       Reason // a value of the wire protocol
	text         string
	at           time.Time
	acknowledged bool // the peer has sent End for this id
}

const (
	// maxEnds bounds the remembered ends per peer: two calls with maxIDs each,
	// or eight calls with one id.
	maxEnds = 2 * maxIDs
	// resendEndFor is how long after a call each new link begins with its End.
	// After that, End is sent only in answer to a message for the call.
	resendEndFor = time.Hour
	// maxText is the limit of End.Text in the wire protocol, in bytes.
	maxText = 512
)

// end ends a call and reports it. If the peer has ended it, by is Remote and
// named is the id that it used. Then End is sent for the other ids only: our
// Invite under one of them may have crossed the peer's End.
func (c *Calls) end(l *live, reason Reason, by Side, text string, now time.Time, named ...ID) {
	text = truncate(text)
	for _, id := range l.ids {
		e := end{id: id, reason: reason, text: text, at: now, acknowledged: slices.Contains(named, id)}
		if reason.isLocal() {
			e.reason = Cancelled // what the peer gets if it can be reached after all
		}
		if reason.isLocal() || reason == LostTooLong {
			e.text = "" // errors of our link mean nothing to the peer
		}
		c.remember(l.Peer, e)
		if !e.acknowledged {
			c.sendEnd(l.Peer, e)
		}
	}
	c.countEnded(l, reason, by, now)
	c.calls = slices.DeleteFunc(c.calls, func(other *live) bool { return other == l })
	l.stopTimers()
	l.Reason, l.EndedBy, l.Text = reason, by, text
	c.enter(l, Ended, now)
}

// denyCall sends End for a call that does not exist, and remembers it: a
// message that crosses the End must not join the two calls.
func (c *Calls) denyCall(peer string, id ID, now time.Time) {
	e := end{id: id, reason: UnknownCall, at: now}
	c.remember(peer, e)
	c.sendEnd(peer, e)
}

func (c *Calls) remember(peer string, e end) {
	ends := append(c.ended[peer], e)
	c.ended[peer] = slices.Delete(ends, 0, max(0, len(ends)-maxEnds))
}

// findEnd returns the end of a call.
func (c *Calls) findEnd(peer string, id ID) (end, bool) {
	ends := c.ended[peer]
	if at := slices.IndexFunc(ends, func(e end) bool { return e.id == id }); at >= 0 {
		return ends[at], true
	}
	return end{}, false
}

// resendEnds sends End on a new link for calls whose End may have been lost
// with the old one.
func (c *Calls) resendEnds(peer string, now time.Time) {
	for _, e := range c.ended[peer] {
		if !e.acknowledged && now.Sub(e.at) < resendEndFor {
			c.sendEnd(peer, e)
		}
	}
}

func (c *Calls) sendEnd(peer string, e end) {
	if c.up[peer] {
		c.actions = append(c.actions, Send{Peer: peer, Kind: SendEnd, ID: e.id, Reason: e.reason, Text: e.text})
	}
}

// truncate limits a text to maxText, between characters.
func truncate(text string) string {
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	return text
}
