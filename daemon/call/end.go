package call

import (
	"slices"
	"strings"
	"time"
)

// end is what is remembered of an ended call, per id, to answer a peer that has not heard of it.
type end struct {
	id     ID
	reason Reason // a value of the wire protocol
	text   string
	at     time.Time
	heard  bool // the peer named this id as ended itself
}

const (
	// maxEnds bounds what is remembered per peer: two calls with every id they can have, or eight with one.
	maxEnds = 2 * maxIDs
	// sayFor is how long a new link still begins with the end of a call. Later it is told when asked.
	sayFor = time.Hour
	// maxText is the bound of a reason in words in the wire protocol, in bytes.
	maxText = 512
)

// end ends a call and tells both sides. If the peer said so, by is Remote and named is the id it used: it is told of the
// call's other ids only, since an invite of ours under one of them may have crossed its end.
func (c *Calls) end(l *live, reason Reason, by Side, text string, now time.Time, named ...ID) {
	text = clip(text)
	for _, id := range l.ids {
		e := end{id: id, reason: reason, text: text, at: now, heard: slices.Contains(named, id)}
		if reason.local() {
			e.reason = Cancelled // to the peer, who can be reached after all, it is that
		}
		if reason.local() || reason == LostTooLong {
			e.text = "" // what this side saw of the link says nothing to the other
		}
		c.remember(l.Peer, e)
		if !e.heard {
			c.sendEnd(l.Peer, e)
		}
	}
	c.calls = slices.DeleteFunc(c.calls, func(other *live) bool { return other == l })
	l.stopClocks()
	l.Reason, l.EndedBy, l.Text = reason, by, text
	c.enter(l, Ended, now)
}

// disown tells the peer of a call that there is none. That is remembered: a message which crosses this one must not
// bring the call back by joining it to another.
func (c *Calls) disown(peer string, id ID, now time.Time) {
	e := end{id: id, reason: UnknownCall, at: now}
	c.remember(peer, e)
	c.sendEnd(peer, e)
}

func (c *Calls) remember(peer string, e end) {
	ends := append(c.gone[peer], e)
	c.gone[peer] = slices.Delete(ends, 0, max(0, len(ends)-maxEnds))
}

// ended finds what became of a call that was.
func (c *Calls) ended(peer string, id ID) (end, bool) {
	ends := c.gone[peer]
	if at := slices.IndexFunc(ends, func(e end) bool { return e.id == id }); at >= 0 {
		return ends[at], true
	}
	return end{}, false
}

// sayEnds tells the peer on a new link of the calls whose end may have been lost with the old one.
func (c *Calls) sayEnds(peer string, now time.Time) {
	for _, e := range c.gone[peer] {
		if !e.heard && now.Sub(e.at) < sayFor {
			c.sendEnd(peer, e)
		}
	}
}

func (c *Calls) sendEnd(peer string, e end) {
	if c.up[peer] {
		c.actions = append(c.actions, Send{Peer: peer, Kind: SendEnd, ID: e.id, Reason: e.reason, Text: e.text})
	}
}

// clip cuts a text to what the wire protocol carries, between characters.
func clip(text string) string {
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	return text
}
