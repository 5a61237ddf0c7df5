package view

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vchat/cmd/vchatctl/internal/view/render"
	"vchat/daemon/api"
	"vchat/daemon/mjpeg"
)

const (
	staleAfter     = time.Second     // age from which a frame is dimmed
	staleCardAfter = 3 * time.Second // the same for cards, which come once a second
	lineDuration   = 12 * time.Second
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
	o := render.Overlay{Title: feed, PIP: s.pip != nil && feed != api.Self}
	if o.Title == "" {
		o.Title = "vchat"
	}
	if p.Received.Before(since) {
		p.Received = time.Time{} // it belongs to another feed
	}
	o.PIPStale = pip.stale(now)
	reason := func() string { return cmp.Or(p.decodeReason(now, since), s.device.staleReason(feed, now)) }
	switch {
	case feed == "":
		o.Blank, o.Notice = true, s.idleNotice(now)
	case p.Received.IsZero():
		o.Blank, o.Notice = true, reason()
	case p.stale(now):
		o.Stale, o.Headline, o.Notice = true, formatAge(p.age(now))+" old", reason()
	}
	if peer := s.device.caller(); peer != "" {
		calling, keys := peer+" is calling", "a answer · d decline"
		if feed == "" {
			o.Headline, o.Notice = calling, keys
		} else {
			o.Banner = calling + ": " + keys
		}
	}
	s.addPairing(&o, feed == "" && s.device.caller() == "")
	if s.showStats {
		o.Info = s.statsLine(now, p)
	}
	if s.typing {
		o.Typing = "message: " + string(s.typed) + "_"
	}
	for _, l := range s.lines {
		if now.Sub(l.at) < lineDuration {
			o.Lines = append(o.Lines, l.text)
		}
	}
	return o
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
	return "waiting for calls"
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
