package view

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"vchat/cmd/vchatctl/internal/view/look"
	"vchat/cmd/vchatctl/internal/view/render"
	"vchat/daemon/api"
	"vchat/daemon/mjpeg"
)

const (
	staleAfter     = time.Second     // age from which a frame is dimmed
	staleCardAfter = 3 * time.Second // the same for cards, which come once a second
	lineDuration   = 12 * time.Second
	endedDuration  = 5 * time.Second // how long an idle viewer shows the end of a call
	missedDuration = 12 * time.Hour  // how long it shows that a call was missed
	maxLines       = 4
	statsInterval  = time.Second
)

// line is a message, or a report of the viewer.
type line struct {
	text string
	at   time.Time
}

// DisplayedFrame describes a frame that is on the display.
type DisplayedFrame struct {
	Captured time.Time // on this program's clock
	Received time.Time // zero: there is no frame
	W, H     int       // upright, as sent
	Card     bool

	DecodeErr   error     // why newer frames could not be decoded; nil: they were
	DecodeErrAt time.Time // when the last of these was received
}

func (p *DisplayedFrame) age(now time.Time) time.Duration { return now.Sub(p.Captured) }

func (p *DisplayedFrame) stale(now time.Time) bool {
	return p.age(now) > staleCardAfter || p.age(now) > staleAfter && !p.Card
}

// decodeReason returns why newer frames of the feed, which is shown since a
// time, are not on the display. It returns "" if none arrive.
func (p *DisplayedFrame) decodeReason(now, since time.Time) string {
	switch {
	case p.DecodeErr == nil, p.DecodeErrAt.Before(since), now.Sub(p.DecodeErrAt) > staleCardAfter:
		return ""
	case errors.Is(p.DecodeErr, mjpeg.ErrUnsupported):
		text, _, _ := strings.Cut(p.DecodeErr.Error(), " at byte ")
		return text
	}
	return "cannot decode frames: " + p.DecodeErr.Error()
}

// Overlay returns what to show besides the main frame p and the frame of the
// picture-in-picture.
func (s *Session) Overlay(now time.Time, p, pip DisplayedFrame) render.Overlay {
	feed, since := s.feed.current()
	s.mu.Lock()
	defer s.mu.Unlock()
	o := render.Overlay{Title: feed, PIP: s.pip != nil && feed != api.Self, PIPAt: s.pipAt, State: s.state(feed)}
	if o.Title == "" {
		o.Title = "vchat"
	}
	if p.Received.Before(since) {
		p.Received = time.Time{} // it belongs to another feed
	}
	s.picture = feed != "" && !p.Received.IsZero() && !p.Card
	o.PIPStale = pip.stale(now)
	if o.PIP && pip.Card {
		o.PIPText = "No picture"
		if s.device.status.Privacy {
			o.PIPText = look.CameraOff.Word()
		}
	}
	reason := func() string { return cmp.Or(p.decodeReason(now, since), s.device.staleReason(feed, now)) }
	switch {
	case feed == "":
		o.Blank = true
		s.idle(&o, now)
	case p.Received.IsZero():
		o.Blank, o.Notice = true, reason()
		o.Name = peerName(feed)
	case p.Card:
		// An image of texts, too small to read on a small display. The reason
		// says the same.
		o.Blank, o.Name = true, peerName(feed)
		o.Notice = cmp.Or(reason(), NoPicture(feed))
	case p.stale(now):
		o.Stale, o.Age, o.Notice = true, "this picture is "+formatAge(p.age(now))+" old", reason()
	}
	if o.Notice != "" && (o.State == look.Reconnecting || o.State == look.CameraOff) {
		o.Headline = o.State.Word()
	}
	if peer := s.device.caller(); peer != "" {
		calling, denied := peer+" is calling", CallsDenied(s.rights)
		o.ShowKeys = denied == ""
		if feed == "" {
			o.State, o.Name, o.Headline, o.Notice = look.Ringing, peer, calling, denied
			o.Clock, o.Peers, o.Waiting, o.Controls, o.Fade = "", nil, 0, nil, 0
		} else {
			o.Banner = join(calling, denied)
		}
	}
	if feed != api.Self && s.device.daemonUp && (s.device.status.Privacy || s.callAnswered()) {
		o.Unseen = unseenReason(&s.device.status, now)
	}
	if s.controlsShown(now) {
		s.addControls(&o, feed, now)
	}
	s.addPairing(&o, feed == "" && s.device.caller() == "")
	if s.showStats {
		o.Info = s.statsLine(now, p)
	}
	if s.typing {
		o.Typed = string(s.typed)
		o.Typing, o.Ready, o.ShowKeys = "message: "+o.Typed+"_", s.readyMessages(), true
	}
	for _, l := range s.lines {
		if now.Sub(l.at) < lineDuration {
			o.Lines = append(o.Lines, l.text)
		}
	}
	return o
}

// unseenReason returns why the peer of a call does not see this device, or "".
func unseenReason(status *api.Status, now time.Time) string {
	switch {
	case status.Privacy:
		return "your camera is off"
	case status.Camera.State != api.CameraLost && status.Camera.State != api.CameraFailed:
		return ""
	}
	text := LocalReason(status).At(now)
	if what, ok := strings.CutPrefix(text, ourCamera); ok {
		return "your camera " + what
	}
	return "your camera: " + text
}

// sentence returns a text that begins with a capital letter, unless it begins
// with the name of a peer or of a program.
func (s *Session) sentence(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.device.status.Peers {
		if strings.HasPrefix(text, p.Name) {
			return text
		}
	}
	first, n := utf8.DecodeRuneInString(text)
	if n == 0 || strings.HasPrefix(text, "vchat") {
		return text
	}
	return string(unicode.ToUpper(first)) + text[n:]
}

// idle shows what a session without a feed waits for: a call that is being
// made, that has just ended, or any call. The caller holds s.mu.
func (s *Session) idle(o *render.Overlay, now time.Time) {
	call := s.shownCall("")
	o.Notice = s.idleNotice(now)
	switch {
	case !s.device.daemonUp:
		o.Headline = "No connection to vchatd"
	case call != nil && !answered(call.State):
		o.Name, o.Waiting = call.Peer, 1+int(now.UnixMilli()/400%3)
	case call != nil:
		o.Name = call.Peer
	case s.endShown(now):
		o.State, o.Headline, o.Notice = look.Ended, look.Ended.Word(), CardText(s.ended)
		o.Name = s.ended.Peer
		if missed(s.ended) {
			o.Headline = "Missed call"
		}
	default:
		o.Name, o.Clock = s.device.status.Name, now.Local().Format("15:04")
		o.Peers, o.PeerPage = s.peers(now), s.peerPage
		o.Controls, o.Fade = s.controls(now), render.Hidden // so that a peer does not move when it is touched
	}
}

// addControls shows the controls and, in a call, who is in it and for how
// long. The caller holds s.mu.
func (s *Session) addControls(o *render.Overlay, feed string, now time.Time) {
	o.Controls, o.Fade = s.controls(now), s.fade(now)
	o.ShowKeys = o.ShowKeys || now.Before(s.keysUntil) || s.showHelp
	if s.showHelp {
		o.Help = s.helpKeys()
	}
	o.Caption = s.captionOf(feed, now)
}

// caption returns the peer and the duration of the call that is shown, or "".
func (s *Session) caption(now time.Time) string {
	feed, _ := s.feed.current()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.captionOf(feed, now)
}

// captionOf returns the caption of a feed. The caller holds s.mu.
func (s *Session) captionOf(feed string, now time.Time) string {
	c := s.device.call(feed)
	switch {
	case c == nil || !answered(c.State):
		return ""
	case c.Answered.IsZero():
		return c.Peer
	}
	return c.Peer + " · " + formatDuration(now.Sub(c.Answered))
}

// helpKeys returns the keys that the display has. The caller holds s.mu.
func (s *Session) helpKeys() []render.Key {
	if !s.noFullscreen {
		return helpKeys
	}
	return slices.DeleteFunc(slices.Clone(helpKeys), func(k render.Key) bool {
		return k.Key == look.ActionFullscreen.Key()
	})
}

// helpKeys are all keys.
var helpKeys = []render.Key{
	{Key: "a", Text: "answer"}, {Key: "d", Text: "decline"}, {Key: "h", Text: "hang up"}, {Key: "1 to 9", Text: "call"},
	{Key: "c", Text: "camera off or on"}, {Key: "Enter", Text: "write a message"}, {Key: "s", Text: "save the picture"},
	{Key: "p", Text: "my picture"}, {Key: "← ↑ → ↓", Text: "move my picture"}, {Key: "Tab", Text: "next control"},
	{Key: "f", Text: "full screen"}, {Key: "i", Text: "statistics"}, {Key: "y, n", Text: "answer a pairing"},
	{Key: "?", Text: "hide the keys"}, {Key: "q", Text: "quit"},
}

// formatDuration formats the duration of a call as 3:07 or 1:02:03.
func formatDuration(d time.Duration) string {
	s := int(max(d, 0).Seconds())
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// state returns what the viewer shows. The caller holds s.mu.
func (s *Session) state(feed string) look.State {
	switch call := s.shownCall(feed); {
	case !s.device.daemonUp:
		return look.Problem
	case call == nil && s.device.caller() != "":
		return look.Ringing
	case call == nil:
		return look.Idle
	case !answered(call.State):
		return look.Calling
	case call.State == api.CallResuming || call.Link != nil && call.Link.State == api.LinkDown:
		return look.Reconnecting
	case call.PeerCamera != nil && call.PeerCamera.State == "privacy":
		return look.CameraOff
	}
	return look.InCall
}

// addPairing shows a pairing that waits for a user: in the middle of an idle
// viewer, else at the top, where it leaves the frame and the caller visible.
// The caller holds s.mu.
func (s *Session) addPairing(o *render.Overlay, idle bool) {
	p, ok := NewPairing(s.device.status.Pairing, s.rights)
	switch {
	case !ok || !s.device.daemonUp:
	case idle:
		o.Headline, o.Notice = cmp.Or(p.Code, p.Title), join(p.Text, p.keys())
		o.Name, o.Clock, o.Peers, o.Waiting = "", "", nil, 0
	case p.Code != "":
		o.Pairing, o.Code = join(p.Text, p.keys()), p.Code
	default:
		o.Pairing = join(p.Title, p.Text, p.keys())
	}
}

// join joins texts that are not empty.
func join(texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(s string) bool { return s == "" }), " · ")
}

// idleNotice returns what a session with Options.Follow waits for.
func (s *Session) idleNotice(now time.Time) string {
	if !s.device.daemonUp {
		return s.device.staleReason("", now)
	}
	for _, c := range s.device.status.Calls {
		if c.Direction == api.DirectionOut && c.State != api.CallEnded {
			return s.device.staleReason(c.Peer, now)
		}
	}
	if s.ended != nil && missed(s.ended) && now.Sub(s.endedAt) < missedDuration {
		return "missed call from " + s.ended.Peer + " at " + s.endedAt.Local().Format("15:04")
	}
	return cmp.Or(CallsDenied(s.rights), "waiting for calls")
}

// missed reports whether a call that has ended came in and was not answered,
// though no user here declined it.
func missed(c *api.Call) bool {
	return c.Direction == api.DirectionIn && c.Answered.IsZero() &&
		(c.Reason == api.ReasonCancelled || c.Reason == api.ReasonNoAnswer)
}

// peerName returns the peer of a feed, or "" for this device's own.
func peerName(feed string) string {
	if feed == api.Self {
		return ""
	}
	return feed
}

// statsLine returns frames per second, age, bit rate and size of the frames.
func (s *Session) statsLine(now time.Time, p DisplayedFrame) string {
	frames, bytes := s.newest.Totals()
	if d := now.Sub(s.stats.at); d >= statsInterval {
		if !s.stats.at.IsZero() {
			s.stats.fps = float64(frames-s.stats.frames) / d.Seconds()
			s.stats.mbits = float64(bytes-s.stats.bytes) * 8 / 1e6 / d.Seconds()
			s.stats.age = p.age(now)
		}
		s.stats.at, s.stats.frames, s.stats.bytes = now, frames, bytes
	}
	if p.Received.IsZero() { // no frame, so no age and size
		return fmt.Sprintf("%.1f fps · %.1f Mbit/s", s.stats.fps, s.stats.mbits)
	}
	age := max(0, s.stats.age.Milliseconds())
	return fmt.Sprintf("%.1f fps · %d ms old · %.1f Mbit/s · %dx%d", s.stats.fps, age, s.stats.mbits, p.W, p.H)
}

// frameStats are the statistics of the last statsInterval.
type frameStats struct {
	at            time.Time // when it ended
	frames, bytes uint64    // totals at that time
	fps, mbits    float64
	age           time.Duration
}

// addLine shows a line for lineDuration.
func (s *Session) addLine(text string) {
	s.mu.Lock()
	s.lines = append(s.lines, line{text, time.Now()})
	s.lines = s.lines[max(0, len(s.lines)-maxLines):]
	s.mu.Unlock()
	notify(s.changed)
}
