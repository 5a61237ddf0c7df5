package daemon

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/time/rate"

	"vchat/daemon/api"
	"vchat/daemon/call"
	"vchat/daemon/link"
	"vchat/daemon/wire"
)

// chat is the text channel of one call. Daemon.mu guards it.
type chat struct {
	sentCount uint32     // since this daemon started
	recent    []sentLine // resent after a reconnect
	sendLimit *rate.Limiter

	received     bool   // lastID is valid
	lastID       uint64 // of the newest line received
	receiveLimit *rate.Limiter
}

type sentLine struct {
	at   time.Time
	text *wire.Text
}

// The last lines before the loss of a link may not have arrived, so they are
// resent on the next one.
const (
	maxResend    = 16               // lines
	resendWindow = 10 * time.Second // before the loss; a dead link is detected within 3 s
)

// The rate of text in each direction of a call.
const (
	linesPerSecond = 8
	sendBurst      = 32 // lines
	receiveBurst   = 64 // above sendBurst: a stalled link delivers lines in bursts
)

func newChat() chat {
	return chat{
		sendLimit:    rate.NewLimiter(linesPerSecond, sendBurst),
		receiveLimit: rate.NewLimiter(linesPerSecond, receiveBurst),
	}
}

// Say sends a line of text to the other side of a call. Errors are *api.Error.
func (d *Daemon) Say(r api.MessageRequest) (api.Message, error) {
	if err := checkText(r.Text); err != nil {
		return api.Message{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s, c, err := d.chatSession(r.Peer)
	if err != nil {
		return api.Message{}, err
	}
	now := time.Now()
	if !s.chat.sendLimit.AllowN(now, 1) {
		return api.Message{}, &api.Error{
			Kind:    api.RateLimited,
			Message: fmt.Sprintf("rate limit exceeded: %d lines a second", linesPerSecond),
			Hint:    "wait a second",
		}
	}
	// The ids of a call must grow across restarts. The number of restarts in
	// the upper half gives that without a clock.
	s.chat.sentCount++
	m := &wire.Text{ID: uint64(c.Restarts)<<32 | uint64(s.chat.sentCount), Text: r.Text}
	s.link.Send(m)
	s.chat.remember(sentLine{now, m})
	d.events.Publish(api.Event{Event: api.EventText, Peer: c.Peer, From: api.SideLocal, Text: r.Text})
	return api.Message{Peer: c.Peer, Text: r.Text}, nil
}

// chatSession returns the session that can take a line of text: that of the
// peer, or of the only call if peer is empty.
func (d *Daemon) chatSession(peer string) (*callSession, call.Call, error) {
	c, err := d.chatCall(peer)
	switch {
	case d.stopping:
		return nil, c, d.errStopping()
	case err != nil:
		return nil, c, d.apiError(peer, err)
	case c.State == call.Calling, c.State == call.Ringing, c.State == call.Incoming:
		message := fmt.Sprintf("the call with %s is not answered yet", c.Peer)
		return nil, c, &api.Error{Kind: api.Conflict, Message: message}
	}
	s := d.sessions[c.Peer]
	if s == nil || s.link == nil {
		return nil, c, &api.Error{
			Kind:    api.PeerUnreachable,
			Message: fmt.Sprintf("not sent: the connection to %s is lost", c.Peer),
			Hint:    "send it again once the call resumes; see: vchatctl status",
		}
	}
	if !s.link.Supports(wire.FeatureText) {
		return nil, c, &api.Error{Kind: api.Unsupported, Message: fmt.Sprintf("%s does not support messages", c.Peer)}
	}
	return s, c, nil
}

// chatCall returns the call with a peer. Without a peer it returns the only
// answered call, or else the only call.
func (d *Daemon) chatCall(peer string) (call.Call, error) {
	if peer != "" {
		if _, known := d.cfg.Peers[peer]; !known {
			return call.Call{}, call.ErrUnknownPeer
		}
		c, ok := d.calls.Get(peer)
		if !ok {
			return c, notInCall(peer)
		}
		return c, nil
	}
	all := d.calls.List()
	answered := slices.DeleteFunc(slices.Clone(all), func(c call.Call) bool {
		return c.State != call.Active && c.State != call.Resuming
	})
	if len(answered) > 0 {
		all = answered
	}
	switch len(all) {
	case 0:
		return call.Call{}, &api.Error{Kind: api.NoSuchCall, Message: "you are not in a call"}
	case 1:
		return all[0], nil
	}
	return call.Call{}, call.ErrAmbiguous
}

// notInCall is the error of a command that needs a call with a peer.
func notInCall(peer string) *api.Error {
	return &api.Error{
		Kind:    api.NoSuchCall,
		Message: fmt.Sprintf("you are not in a call with %s", peer),
		Hint:    "vchatctl call " + peer,
	}
}

// checkText returns an *api.Error if text cannot be sent as a line.
func checkText(text string) error {
	bad := func(format string, args ...any) error {
		return &api.Error{Kind: api.BadValue, Message: fmt.Sprintf(format, args...)}
	}
	switch at := strings.IndexFunc(text, isControl); {
	case strings.TrimSpace(text) == "":
		return bad("the text is empty")
	case len(text) > api.MaxText:
		return bad("the text has %d bytes; the limit is %d", len(text), api.MaxText)
	case !utf8.ValidString(text):
		return bad("the text is not UTF-8")
	case at >= 0 && text[at] == '\n':
		return bad("the text must be a single line")
	case at >= 0:
		r, _ := utf8.DecodeRuneInString(text[at:])
		return bad("the text contains the control character U+%04X", r)
	}
	return nil
}

// isControl reports whether r could end the line or control the display of
// the receiver.
func isControl(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r)
}

// receiveText publishes a line from the peer as an event.
func (d *Daemon) receiveText(l *link.Link, m *wire.Text) {
	s, c := d.activeSession(l)
	if s == nil || !s.chat.accept(m.ID, time.Now()) {
		return
	}
	text := strings.TrimSpace(strings.Map(func(r rune) rune {
		if isControl(r) { // the protocol allows texts of several lines
			return ' '
		}
		return r
	}, m.Text))
	if text != "" {
		d.publish(api.Event{Event: api.EventText, Peer: c.Peer, From: api.SideRemote, Text: text})
	}
}

// accept reports whether a received line is new and within the rate limit. A
// resent line has an id that was seen before.
func (c *chat) accept(id uint64, now time.Time) bool {
	if c.received && id <= c.lastID {
		return false
	}
	c.received, c.lastID = true, id
	return c.receiveLimit.AllowN(now, 1)
}

// resetReceived forgets the last id. A peer that sends an invitation has lost
// the call, for instance in a restart, and numbers its lines from the start.
func (c *chat) resetReceived() { c.received, c.lastID = false, 0 }

func (c *chat) remember(l sentLine) {
	if len(c.recent) == maxResend {
		c.recent = slices.Delete(c.recent, 0, 1)
	}
	c.recent = append(c.recent, l)
}

// linkLost drops the lines that were sent long enough before the loss to have
// arrived.
func (c *chat) linkLost(now time.Time) {
	c.recent = slices.DeleteFunc(c.recent, func(l sentLine) bool { return now.Sub(l.at) > resendWindow })
}

// resend sends the lines on a new link that may be lost with the previous one.
// The receiver drops duplicates by their id.
func (c *chat) resend(l *link.Link) {
	if !l.Supports(wire.FeatureText) {
		return
	}
	for _, sent := range c.recent {
		l.Send(sent.text)
	}
}
