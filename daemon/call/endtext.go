package call

import "strings"

// EndText returns how an ended call ended, as a sentence without a full stop:
// who did what, with the peer's name. All programs show it.
func (c Call) EndText() string {
	removed := c.EndedBy == Local && c.Text != "" // by a change of the peers
	switch c.Reason {
	case HungUp, Cancelled, Declined:
		if removed {
			return c.withDetail("the call with " + c.Peer + " ended")
		}
	case Busy:
		if c.EndedBy == Remote && c.Text != "" { // it was called too often
			return c.withDetail(c.Peer + " refused the call")
		}
	case WrongIdentity:
		switch { // the text says what is wrong with which key
		case strings.HasPrefix(c.Text, c.Peer+" "):
			return c.Text
		case c.Text != "":
			return c.Peer + ": " + c.Text
		}
	}
	return c.withDetail(c.endSentence())
}

func (c Call) withDetail(text string) string {
	if c.Text != "" {
		text += ": " + c.Text
	}
	return text
}

// endSentence returns EndText without the details.
func (c Call) endSentence() string {
	peer, local, incoming := c.Peer, c.EndedBy == Local, c.Direction == In
	switch {
	case c.Reason == HungUp && local:
		return "you hung up"
	case c.Reason == HungUp:
		return peer + " hung up"
	case c.Reason == Declined && local:
		return "you declined " + peer + "'s call"
	case c.Reason == Declined:
		return peer + " declined your call"
	case c.Reason == Busy && local:
		return peer + " called during another call"
	case c.Reason == Busy:
		return peer + " is in another call"
	case c.Reason == NoAnswer && incoming:
		return "you missed " + peer + "'s call"
	case c.Reason == NoAnswer:
		return peer + " did not answer"
	case c.Reason == DoNotDisturb && local:
		return peer + " called, but this device is set to do not disturb"
	case c.Reason == DoNotDisturb:
		return peer + " is set to do not disturb"
	case c.Reason == Cancelled && incoming:
		return peer + " stopped calling"
	case c.Reason == Cancelled:
		return "you stopped calling " + peer
	case c.Reason == UnknownCall && local:
		return peer + " sent a wrong message; the call ended"
	case c.Reason == UnknownCall:
		return peer + " no longer has the call: it was restarted or set up anew"
	case c.Reason == LostTooLong:
		return "the connection to " + peer + " was lost for too long"
	case c.Reason == Unreachable:
		return "cannot reach " + peer
	case c.Reason == WrongIdentity:
		return peer + " has another key than expected"
	}
	return "the call with " + peer + " failed"
}
