package web

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/daemon/api"
)

// state is what the page shows besides the frames. The page shows all texts as
// plain text, never as HTML.
type state struct {
	Name     string  `json:"name"`      // of this device
	Feed     string  `json:"feed"`      // in the large frame: api.Self or a peer
	Title    string  `json:"title"`     // of the large frame
	Live     bool    `json:"live"`      // the feed can be requested
	Summary  string  `json:"summary"`   // calls, privacy and problems, as sentences
	Reason   *reason `json:"reason"`    // why there is no new frame; null: unknown
	Call     string  `json:"call"`      // state of the call with Feed; "": none
	Privacy  bool    `json:"privacy"`   // of this device
	DaemonUp bool    `json:"daemon_up"` // vchatd answers
	Ringing  []ring  `json:"ringing"`   // incoming calls
	Peers    []peer  `json:"peers"`

	Pairing *pairing `json:"pairing"` // that waits for a user; null: none
}

// pairing is a view.Pairing, and what the page sends back with an answer.
type pairing struct {
	State string `json:"state"`
	ID    string `json:"id"`
	Name  string `json:"name"` // for the other device here; "": the one that it has
	Title string `json:"title"`
	Code  string `json:"code"`
	Text  string `json:"text"`
	Yes   string `json:"yes"` // label of the button; "": no button
	No    string `json:"no"`
}

// newPairing returns nil if no pairing waits for a user.
func newPairing(s *api.Status, rights api.Rights) *pairing {
	p := s.Pairing
	shown, ok := view.NewPairing(p, rights)
	if !ok || p.State == api.PairingRequested && s.DoNotDisturb {
		return nil
	}
	return &pairing{State: string(p.State), ID: p.ID, Name: p.Suggested, Title: shown.Title, Code: shown.Code,
		Text: shown.Text, Yes: shown.Yes, No: shown.No}
}

// reason is a view.StaleReason whose age the page updates.
type reason struct {
	Text  string `json:"text"`
	Since *int64 `json:"since,omitempty"` // by the server's clock; see serverTime
	After string `json:"after,omitempty"` // follows the age
}

// newReason returns nil if the reason is unknown.
func newReason(r view.StaleReason) *reason {
	switch {
	case r == view.StaleReason{}:
		return nil
	case r.Since.IsZero():
		return &reason{Text: r.Text + r.After}
	}
	return &reason{r.Text, new(serverTime(r.Since)), " ago" + r.After}
}

var serverStart = time.Now()

// serverTime returns a time on the server's clock, in ms. That clock counts
// from the start of the program, and nobody sets it.
func serverTime(t time.Time) int64 { return t.Sub(serverStart).Milliseconds() }

type ring struct {
	Peer string `json:"peer"`
}

type peer struct {
	Name   string `json:"name"`
	Status string `json:"status"`         // of the connection or the call, as text
	Call   string `json:"call,omitempty"` // state of the call
}

// deviceInfo is what is known of this device.
type deviceInfo struct {
	requestedFeed string // by Options.Feed; "": the peer of the call, or else this device
	shownFeed     string // the last one

	status       api.Status
	rights       api.Rights // of this program; zero: unknown
	daemonErr    error      // why the daemon does not answer; nil: it does
	daemonLostAt time.Time  // when daemonErr occurred
	lastCall     *api.Call  // the call that ended last
}

// newState returns the state of a device for the page.
func newState(d *deviceInfo) state {
	feed := d.selectFeed()
	s := state{
		Name: d.status.Name, Feed: feed, Title: feed, Privacy: d.status.Privacy, DaemonUp: d.daemonErr == nil,
		Ringing: []ring{}, Peers: []peer{},
	}
	if feed == api.Self {
		s.Title = cmp.Or(d.status.Name, "this device")
	}
	if d.daemonErr != nil {
		s.Summary = "vchatd does not answer. Trying again."
		s.Reason = newReason(view.DaemonStopped(d.daemonLostAt))
		return s
	}
	for _, c := range d.status.Calls {
		if c.State == api.CallIncoming {
			s.Ringing = append(s.Ringing, ring{c.Peer})
		}
	}
	s.Pairing = newPairing(&d.status, d.rights)
	for _, p := range d.status.Peers {
		entry := peer{Name: p.Name, Status: linkText(&p.Link)}
		if c := callWith(&d.status, p.Name); c != nil {
			entry.Call, entry.Status = string(c.State), callText(c)
		}
		s.Peers = append(s.Peers, entry)
	}
	call := callWith(&d.status, feed)
	if call != nil {
		s.Call = string(call.State)
	}
	s.Summary = summary(d, feed, call)
	if feed == api.Self {
		s.Live, s.Reason = true, newReason(view.LocalReason(&d.status))
	} else {
		s.Live, s.Reason = call != nil && answered(call), newReason(view.PeerReason(feed, call))
	}
	return s
}

// selectFeed returns the feed for the large frame. With several calls it keeps
// the one that is shown.
func (d *deviceInfo) selectFeed() string {
	if d.requestedFeed != "" {
		return d.requestedFeed
	}
	if d.daemonErr != nil && d.shownFeed != "" {
		return d.shownFeed
	}
	feed := api.Self
	for _, c := range d.status.Calls {
		if answered(&c) {
			if c.Peer == d.shownFeed {
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

// summary returns the calls and problems of the device as sentences. It holds
// no times: screen readers read it out again whenever it changes.
func summary(d *deviceInfo, feed string, call *api.Call) string {
	var sentences []string
	for _, c := range d.status.Calls {
		sentences = append(sentences, capitalize(callText(&c)))
	}
	if len(sentences) == 0 {
		text := "No call"
		if feed != api.Self {
			text += " with " + feed
		}
		if d.lastCall != nil && (feed == api.Self || d.lastCall.Peer == feed) {
			text = "Call ended: " + endText(d.lastCall)
		}
		sentences = append(sentences, text)
	}
	camera := &d.status.Camera
	if d.status.Privacy && feed != api.Self { // for api.Self it is the reason
		sentences = append(sentences, "Privacy is on: this device's camera is closed")
	} else if feed != api.Self && call != nil && call.State == api.CallActive && cameraDown(camera.State) {
		sentences = append(sentences, "No picture from this device: "+cmp.Or(camera.Reason, string(camera.State)))
	}
	return strings.Join(sentences, ". ") + "."
}

// capitalize capitalizes a text of callText, unless it starts with the name of
// a peer.
func capitalize(text string) string {
	for _, start := range []string{"calling ", "in a call ", "ringing "} {
		if strings.HasPrefix(text, start) {
			return strings.ToUpper(text[:1]) + text[1:]
		}
	}
	return text
}

func callText(c *api.Call) string {
	switch c.State {
	case api.CallCalling:
		return "calling " + c.Peer
	case api.CallRinging:
		return "ringing at " + c.Peer
	case api.CallIncoming:
		return c.Peer + " is calling"
	case api.CallActive:
		return "in a call with " + c.Peer
	case api.CallResuming:
		return "in a call with " + c.Peer + ": connection lost, reconnecting"
	}
	return c.Peer + ": " + string(c.State)
}

// endText returns why a call ended.
func endText(c *api.Call) string {
	_, detail, found := strings.Cut(c.ReasonText, ": ")
	if found {
		detail = " (" + detail + ")"
	}
	switch c.Reason {
	case api.ReasonHungUp:
		if c.EndedBy == api.SideLocal {
			return "you hung up"
		}
		return c.Peer + " hung up"
	case api.ReasonDeclined:
		if c.EndedBy == api.SideLocal {
			return "you declined"
		}
		return c.Peer + " declined"
	case api.ReasonBusy:
		return c.Peer + " is in another call"
	case api.ReasonNoAnswer:
		if c.Direction == api.DirectionIn {
			return "missed call from " + c.Peer
		}
		return c.Peer + " did not answer"
	case api.ReasonDoNotDisturb:
		return c.Peer + " does not want to be disturbed"
	case api.ReasonCancelled:
		if c.Direction == api.DirectionIn {
			return c.Peer + " stopped calling"
		}
		return "you stopped calling"
	case api.ReasonLostTooLong:
		return "the connection to " + c.Peer + " was lost for too long"
	case api.ReasonUnreachable:
		return c.Peer + " cannot be reached" + detail
	case api.ReasonWrongIdentity:
		return "the key of " + c.Peer + " does not match" + detail
	}
	return cmp.Or(c.ReasonText, string(c.Reason))
}

func linkText(l *api.Link) string {
	switch {
	case l.State == api.LinkUp:
		return "reachable"
	case l.Reason == "":
		return "not reachable"
	}
	return "not reachable: " + l.Reason
}

func cameraDown(s api.CameraState) bool { return s == api.CameraLost || s == api.CameraFailed }
