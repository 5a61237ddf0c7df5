package web

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/daemon/api"
	"vchat/daemon/client"
)

// state is what the page shows besides the frames. The page shows all texts as
// plain text, never as HTML.
type state struct {
	Name     string  `json:"name"`      // of this device
	Mode     mode    `json:"mode"`      // what the page looks like
	Feed     string  `json:"feed"`      // in the large frame: api.Self or a peer
	Asked    bool    `json:"asked"`     // the user has named Feed: it may open this device's camera
	Title    string  `json:"title"`     // of the page
	Live     bool    `json:"live"`      // the feed can be requested
	Summary  string  `json:"summary"`   // calls, privacy and problems, as sentences
	Reason   *reason `json:"reason"`    // why there is no new frame; null: unknown
	Own      string  `json:"own"`       // why this device's camera gives no frames; "": it does, or may
	Peer     string  `json:"peer"`      // of the call that is shown; "": none
	Call     string  `json:"call"`      // state of that call
	Answered *int64  `json:"answered"`  // when it was, by the server's clock; null: it is not
	Privacy  bool    `json:"privacy"`   // of this device
	DaemonUp bool    `json:"daemon_up"` // vchatd answers
	Denied   string  `json:"denied"`    // why this user may not act in calls; "": may
	Command  string  `json:"command"`   // what starts this page
	Ended    *ended  `json:"ended"`     // the call that ended last; null: none
	Ringing  []ring  `json:"ringing"`   // incoming calls
	Peers    []peer  `json:"peers"`

	Pairing *pairing `json:"pairing"` // that waits for a user; null: none
}

// mode is a look.State that the page lays itself out for.
type mode string

// The modes. The page shows the end of a call in modeIdle for some seconds.
const (
	modeIdle         mode = "idle"
	modeCalling      mode = "calling"
	modeRinging      mode = "ringing"
	modeInCall       mode = "in-call"
	modeReconnecting mode = "reconnecting"
	modeCameraOff    mode = "camera-off"
	modeProblem      mode = "problem"
)

// ended is a call that has ended.
type ended struct {
	Peer string `json:"peer"`
	Text string `json:"text"` // why, as a sentence
	At   int64  `json:"at"`   // by the server's clock; see serverTime
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
// from the start of the program, and cannot be set.
func serverTime(t time.Time) int64 { return t.Sub(serverStart).Milliseconds() }

type ring struct {
	Peer string `json:"peer"`
}

type peer struct {
	Name   string `json:"name"`
	Status string `json:"status"`         // of the connection or the call, as text
	Up     bool   `json:"up"`             // reachable
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
	lastCallAt   time.Time  // when it did

	command string // what starts this page
}

// newState returns the state of a device for the page.
func newState(d *deviceInfo) state {
	feed := d.selectFeed()
	s := state{
		Name: d.status.Name, Mode: modeIdle, Feed: feed, Asked: d.requestedFeed == feed, Title: feed,
		Privacy: d.status.Privacy, DaemonUp: d.daemonErr == nil, Denied: view.CallsDenied(d.rights), Command: d.command,
		Ringing: []ring{}, Peers: []peer{},
	}
	if feed == api.Self {
		s.Title = cmp.Or(d.status.Name, "this device")
	}
	if d.daemonErr != nil {
		s.Mode = modeProblem
		s.Summary, s.Reason = daemonProblem(d)
		return s
	}
	for _, c := range d.status.Calls {
		if c.State == api.CallIncoming {
			s.Ringing = append(s.Ringing, ring{c.Peer})
			s.Mode = modeRinging
		}
	}
	s.Pairing = newPairing(&d.status, d.rights)
	for _, p := range d.status.Peers {
		entry := peer{Name: p.Name, Status: linkText(&p.Link), Up: p.Link.State == api.LinkUp}
		if c := callWith(&d.status, p.Name); c != nil {
			entry.Call, entry.Status = string(c.State), callText(c)
		}
		s.Peers = append(s.Peers, entry)
	}
	call := d.shownCall(feed)
	if call != nil {
		s.Mode, s.Peer, s.Call, s.Title = callMode(call), call.Peer, string(call.State), call.Peer
		if answered(call) && !call.Answered.IsZero() {
			s.Answered = new(serverTime(call.Answered))
		}
	}
	if c := d.lastCall; c != nil && (c.Reason != api.ReasonDoNotDisturb || c.EndedBy == api.SideRemote) {
		s.Ended = &ended{Peer: c.Peer, Text: "Call ended: " + view.CardText(c) + ".", At: serverTime(d.lastCallAt)}
	}
	if cameraDown(d.status.Camera.State) {
		s.Own = view.LocalReason(&d.status).Text
	}
	s.Summary = summary(d, feed, call)
	if feed == api.Self {
		s.Live, s.Reason = true, newReason(view.LocalReason(&d.status))
	} else {
		with := callWith(&d.status, feed)
		s.Live, s.Reason = with != nil && answered(with), newReason(view.PeerReason(feed, with))
	}
	return s
}

// shownCall returns the call that the page shows, or nil. It is no incoming
// one: these have a place of their own.
func (d *deviceInfo) shownCall(feed string) *api.Call {
	for i := range d.status.Calls {
		c := &d.status.Calls[i]
		if c.State != api.CallIncoming && (c.Peer == feed || feed == api.Self) {
			return c
		}
	}
	return nil
}

// callMode returns how to show a call that is not an incoming one.
func callMode(c *api.Call) mode {
	switch {
	case !answered(c):
		return modeCalling
	case c.State == api.CallResuming, c.Link != nil && c.Link.State == api.LinkDown:
		return modeReconnecting
	case c.PeerCamera != nil && c.PeerCamera.State == "privacy":
		return modeCameraOff
	}
	return modeInCall
}

// daemonProblem returns why the daemon does not answer, as a sentence and as a
// reason.
func daemonProblem(d *deviceInfo) (string, *reason) {
	if errors.Is(d.daemonErr, client.ErrPermission) {
		const text = "You may not use vchatd"
		return text + ".", &reason{Text: text}
	}
	return "vchatd does not answer. Trying again.", newReason(view.DaemonStopped(d.daemonLostAt))
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
			text = "Call ended: " + view.CardText(d.lastCall)
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

func linkText(l *api.Link) string {
	if l.State == api.LinkUp {
		return "reachable"
	}
	return "not reachable"
}

func cameraDown(s api.CameraState) bool { return s == api.CameraLost || s == api.CameraFailed }
