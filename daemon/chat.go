package daemon

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"vchat/daemon/api"
	"vchat/daemon/call"
	"vchat/daemon/link"
	"vchat/daemon/wire"
)

// talk is what is said in a call. It is under the Daemon's mu.
type talk struct {
	said  []line // lately: what was on its way when a link is lost may be lost with it
	count uint32 // of what was said since this device has started
	ours  allowance

	heard  bool // something was
	newest uint64
	theirs allowance
}

type line struct {
	at   time.Time
	text *wire.Text
}

const (
	repeatSaid = 16               // lines that are said again on the next link
	repeatFor  = 10 * time.Second // that were said in this time before the loss: a link counts as lost within three seconds
)

// Say says a line of text to the other side of a call. Errors are *api.Error.
func (d *Daemon) Say(r api.MessageRequest) (api.Message, error) {
	if err := sayable(r.Text); err != nil {
		return api.Message{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	p, c, err := d.listener(r.Peer)
	if err != nil {
		return api.Message{}, err
	}
	now := time.Now()
	if !p.talk.ours.take(now, lineBurst) {
		return api.Message{}, &api.Error{Kind: api.RateLimited, Message: "more is said than anybody can read", Hint: "wait a second"}
	}
	// They grow within the call over restarts, too, and need no clock for that.
	p.talk.count++
	m := &wire.Text{ID: uint64(c.Restarts)<<32 | uint64(p.talk.count), Text: r.Text}
	p.shown.Send(m)
	p.talk.keep(line{now, m})
	d.events.Publish(api.Event{Event: api.EventText, Peer: c.Peer, From: api.SideLocal, Text: r.Text})
	return api.Message{Peer: c.Peer, Text: r.Text}, nil
}

// listener gives the party that a line can be said to: the named one, or the only one.
func (d *Daemon) listener(peer string) (*callSession, call.Call, error) {
	c, err := d.spokenTo(peer)
	switch {
	case d.ending:
		return nil, c, errEnding
	case err != nil:
		return nil, c, d.apiError(peer, err)
	case c.State == call.Calling, c.State == call.Ringing, c.State == call.Incoming:
		return nil, c, &api.Error{Kind: api.Conflict, Message: fmt.Sprintf("the call with %s is not answered yet", c.Peer)}
	}
	p := d.sessions[c.Peer]
	if p == nil || p.shown == nil {
		return nil, c, &api.Error{Kind: api.PeerUnreachable, Hint: "say it again when the link is back; vchatctl status says what it does",
			Message: fmt.Sprintf("the link to %s is lost: what is said now would not be heard", c.Peer)}
	}
	if !p.shown.Can(wire.FeatureText) {
		return nil, c, &api.Error{Kind: api.Unsupported, Message: c.Peer + " cannot show text"}
	}
	return p, c, nil
}

// spokenTo gives the call with a peer, or the only one that is answered.
func (d *Daemon) spokenTo(peer string) (call.Call, error) {
	if peer != "" {
		if _, known := d.cfg.Peers[peer]; !known {
			return call.Call{}, call.ErrUnknownPeer
		}
		c, ok := d.calls.Get(peer)
		if !ok {
			return c, &api.Error{Kind: api.NoSuchCall, Message: fmt.Sprintf("there is no call with %s", peer), Hint: "vchatctl call " + peer}
		}
		return c, nil
	}
	all := d.calls.List()
	answered := slices.DeleteFunc(slices.Clone(all), func(c call.Call) bool { return c.State != call.Active && c.State != call.Resuming })
	if len(answered) > 0 {
		all = answered
	}
	switch len(all) {
	case 0:
		return call.Call{}, &api.Error{Kind: api.NoSuchCall, Message: "there is no call in which anything could be said"}
	case 1:
		return all[0], nil
	}
	return call.Call{}, call.ErrAmbiguous
}

// sayable says what is wrong with a line that somebody here wants to say.
func sayable(text string) error {
	bad := func(format string, args ...any) error {
		return &api.Error{Kind: api.BadValue, Message: fmt.Sprintf(format, args...)}
	}
	switch at := strings.IndexFunc(text, unprintable); {
	case strings.TrimSpace(text) == "":
		return bad("there is nothing to say")
	case len(text) > api.MaxText:
		return bad("a text of %d bytes: at most %d", len(text), api.MaxText)
	case !utf8.ValidString(text):
		return bad("the text is not UTF-8")
	case at >= 0 && text[at] == '\n':
		return bad("a text is one line")
	case at >= 0:
		r, _ := utf8.DecodeRuneInString(text[at:])
		return bad("a text cannot hold the control character U+%04X", r)
	}
	return nil
}

// unprintable characters would do something to who shows them, or end the line.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r)
}

// heardText passes on a line that the other side has said. On a new link some may come again.
func (d *Daemon) heardText(l *link.Link, m *wire.Text) {
	p, c := d.talking(l)
	if p == nil || !p.talk.hear(m.ID, time.Now()) {
		return
	}
	text := strings.TrimSpace(strings.Map(func(r rune) rune {
		if unprintable(r) { // the protocol has texts of several lines
			return ' '
		}
		return r
	}, m.Text))
	if text != "" {
		d.events.Publish(api.Event{Event: api.EventText, Peer: c.Peer, From: api.SideRemote, Text: text})
	}
}

// hear says whether a line is new, and not one of more than anybody can read.
func (t *talk) hear(id uint64, now time.Time) bool {
	if t.heard && id <= t.newest {
		return false
	}
	t.heard, t.newest = true, id
	return t.theirs.take(now, 2*lineBurst) // more than may be said, for a link can hold some up
}

// anew forgets what was heard: who invites has no call, and so has said nothing in it, if it has lost this one in a restart.
func (t *talk) anew() { t.heard, t.newest = false, 0 }

func (t *talk) keep(l line) {
	if len(t.said) == repeatSaid {
		t.said = slices.Delete(t.said, 0, 1)
	}
	t.said = append(t.said, l)
}

// lost hears of the end of a link.
func (t *talk) lost(now time.Time) {
	t.said = slices.DeleteFunc(t.said, func(l line) bool { return now.Sub(l.at) > repeatFor })
}

// repeat says on a new link what may be lost with the last one. Who has heard it knows it by its id.
func (t *talk) repeat(l *link.Link) {
	if !l.Can(wire.FeatureText) {
		return
	}
	for _, said := range t.said {
		l.Send(said.text)
	}
}

// allowance bounds how much is said. The zero allowance is ready.
type allowance struct {
	paid time.Time // what was said until now has had its time until then
}

const (
	lineEvery = 125 * time.Millisecond
	lineBurst = 32
)

func (a *allowance) take(now time.Time, burst time.Duration) bool {
	if credit := now.Add(-burst * lineEvery); a.paid.Before(credit) {
		a.paid = credit
	}
	if a.paid.Add(lineEvery).After(now) {
		return false
	}
	a.paid = a.paid.Add(lineEvery)
	return true
}
