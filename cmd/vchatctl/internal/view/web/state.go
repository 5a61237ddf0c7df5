package web

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/daemon/api"
)

// state is what the page shows beside the frames. Every text in it is only that: the page never takes it for HTML.
type state struct {
	Name    string `json:"name"`    // of this device
	Feed    string `json:"feed"`    // what the large frame shows: api.Self, or a peer
	Title   string `json:"title"`   // whose frame it is
	Live    bool   `json:"live"`    // there are frames to ask for
	Words   string `json:"words"`   // what goes on
	Why     *why   `json:"why"`     // why there may be no fresh frame
	Call    string `json:"call"`    // the state of the call with Feed; "": none
	Privacy bool   `json:"privacy"` // of this device
	Reached bool   `json:"reached"` // the daemon
	Ringing []ring `json:"ringing"` // calls that can be answered
	Peers   []peer `json:"peers"`
}

// why is a view.StaleReason that the page says anew as time goes by.
type why struct {
	Text  string `json:"text"`
	Since int64  `json:"since,omitempty"` // milliseconds since the epoch, by this device's clock
	After string `json:"after,omitempty"` // behind the time that has gone by since
}

// reason gives nil if there is none.
func reason(w view.StaleReason) *why {
	switch {
	case w == view.StaleReason{}:
		return nil
	case w.Since.IsZero():
		return &why{Text: w.Text + w.After}
	}
	return &why{w.Text, w.Since.UnixMilli(), " ago" + w.After}
}

type ring struct {
	Peer string `json:"peer"`
}

type peer struct {
	Name  string `json:"name"`
	Words string `json:"words"`          // how it is with it
	Call  string `json:"call,omitempty"` // the state of the call
}

// scene is all that a state is made of.
type scene struct {
	asked  string // the feed that was asked for; "": the peer of the call, or else this device
	before string // the feed that was shown last

	status api.Status
	gone   error     // why the daemon is not reached; nil: it is
	since  time.Time // of gone
	last   *api.Call // that has ended
}

// present puts a scene into words.
func present(s *scene) state {
	feed := shown(s)
	p := state{Name: s.status.Name, Feed: feed, Title: feed, Privacy: s.status.Privacy, Reached: s.gone == nil,
		Ringing: []ring{}, Peers: []peer{}}
	if feed == api.Self {
		p.Title = cmp.Or(s.status.Name, "this device")
	}
	for _, c := range s.status.Calls {
		if c.State == api.CallIncoming {
			p.Ringing = append(p.Ringing, ring{c.Peer})
		}
	}
	for _, known := range s.status.Peers {
		entry := peer{Name: known.Name, Words: linkWords(&known.Link)}
		if c := callWith(&s.status, known.Name); c != nil {
			entry.Call, entry.Words = string(c.State), callWords(c)
		}
		p.Peers = append(p.Peers, entry)
	}
	if s.gone != nil {
		p.Words = "The daemon of this device, vchatd, is not reached. It is tried again and again."
		p.Why = reason(view.DaemonStopped(s.since))
		p.Ringing, p.Peers = []ring{}, []peer{}
		return p
	}
	call := callWith(&s.status, feed)
	if call != nil {
		p.Call = string(call.State)
	}
	p.Words = words(s, feed, call)
	if feed == api.Self {
		p.Live, p.Why = true, reason(view.LocalReason(&s.status))
	} else {
		p.Live, p.Why = call != nil && answered(call), reason(view.PeerReason(feed, call))
	}
	return p
}

// shown decides which feed is the large one. Of several calls it is the one that it was.
func shown(s *scene) string {
	if s.asked != "" {
		return s.asked
	}
	if s.gone != nil && s.before != "" {
		return s.before
	}
	feed := api.Self
	for _, c := range s.status.Calls {
		if answered(&c) {
			if c.Peer == s.before {
				return c.Peer
			}
			if feed == api.Self {
				feed = c.Peer
			}
		}
	}
	return feed
}

func answered(c *api.Call) bool { return c.State == api.CallActive || c.State == api.CallResuming }

func callWith(s *api.Status, peer string) *api.Call {
	i := slices.IndexFunc(s.Calls, func(c api.Call) bool { return c.Peer == peer })
	if i < 0 {
		return nil
	}
	return &s.Calls[i]
}

// words says what goes on. They change only when that does, as screen readers read them out.
func words(s *scene, feed string, call *api.Call) string {
	var all []string
	for _, c := range s.status.Calls {
		all = append(all, upper(callWords(&c)))
	}
	if len(all) == 0 {
		text := "No call"
		if feed != api.Self {
			text += " with " + feed
		}
		if s.last != nil && (feed == api.Self || s.last.Peer == feed) {
			text += ": " + endWords(s.last)
		}
		all = append(all, text)
	}
	if s.status.Privacy && feed != api.Self { // there it is why there is no picture
		all = append(all, "Privacy is on: the camera of this device is closed")
	} else if feed != api.Self && call != nil && call.State == api.CallActive && cameraBad(string(s.status.Camera.State)) {
		all = append(all, "The camera of this device gives no frames: "+cmp.Or(s.status.Camera.Reason, string(s.status.Camera.State)))
	}
	return strings.Join(all, ". ") + "."
}

// upper begins a sentence. A name is left as it is written: a text that begins with one is none of ours.
func upper(text string) string {
	for _, own := range []string{"calling ", "in a call ", "it rings "} {
		if strings.HasPrefix(text, own) {
			return strings.ToUpper(text[:1]) + text[1:]
		}
	}
	return text
}

func callWords(c *api.Call) string {
	switch c.State {
	case api.CallCalling:
		return "calling " + c.Peer
	case api.CallRinging:
		return "it rings at " + c.Peer
	case api.CallIncoming:
		return c.Peer + " is calling"
	case api.CallActive:
		return "in a call with " + c.Peer
	case api.CallResuming:
		return "in a call with " + c.Peer + ", whose link is lost: reconnecting"
	}
	return c.Peer + ": " + string(c.State)
}

// endWords says why a call has ended.
func endWords(c *api.Call) string {
	_, detail, more := strings.Cut(c.ReasonText, ": ")
	if more {
		detail = " (" + detail + ")"
	}
	switch c.Reason {
	case api.ReasonHungUp:
		if c.EndedBy == api.SideLocal {
			return "hung up here"
		}
		return c.Peer + " has hung up"
	case api.ReasonDeclined:
		if c.EndedBy == api.SideLocal {
			return "declined here"
		}
		return c.Peer + " has declined"
	case api.ReasonBusy:
		return c.Peer + " is in another call"
	case api.ReasonNoAnswer:
		if c.Direction == api.DirectionIn {
			return c.Peer + " has called and was not answered"
		}
		return c.Peer + " did not answer"
	case api.ReasonDoNotDisturb:
		return c.Peer + " does not want to be disturbed"
	case api.ReasonCancelled:
		if c.Direction == api.DirectionIn {
			return c.Peer + " has called and given up"
		}
		return "the call was given up"
	case api.ReasonLostTooLong:
		return "the link to " + c.Peer + " was lost for too long"
	case api.ReasonUnreachable:
		return c.Peer + " cannot be reached" + detail
	case api.ReasonWrongIdentity:
		return c.Peer + " and this device do not know each other by their present ids" + detail
	}
	return "the call with " + c.Peer + " has ended: " + cmp.Or(c.ReasonText, string(c.Reason))
}

func linkWords(l *api.Link) string {
	if l.State == api.LinkUp {
		return "reachable"
	}
	return "not reachable" + prefixed(": ", l.Reason)
}

func cameraBad(state string) bool {
	return state == string(api.CameraLost) || state == string(api.CameraFailed)
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}
