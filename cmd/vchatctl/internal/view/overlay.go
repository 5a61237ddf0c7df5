package view

import (
	"fmt"
	"time"

	"vchat/cmd/vchatctl/internal/view/render"
	"vchat/daemon/api"
)

const (
	staleAfter = time.Second     // the newest frame is not the present any more
	cardAfter  = 3 * time.Second // the same of a card, which comes anew every second
	linesFor   = 12 * time.Second
	mostLines  = 4
	rateOver   = time.Second
)

// line is something said, or that the viewer has to say.
type line struct {
	text string
	at   time.Time
}

// Shown is what is known of a frame that is being shown.
type Shown struct {
	Captured time.Time // on this program's clock
	Received time.Time // zero: there is none
	W, H     int       // as it was sent
	Card     bool
	Broken   error // why frames after it could not be decoded
}

func (p *Shown) age(now time.Time) time.Duration { return now.Sub(p.Captured) }

func (p *Shown) stale(now time.Time) bool {
	return p.age(now) > cardAfter || p.age(now) > staleAfter && !p.Card
}

// Words says what there is to say while a frame is shown, and the own one in the corner.
func (s *Session) Overlay(now time.Time, p, own Shown) render.Overlay {
	feed, since := s.feed.showing()
	s.mu.Lock()
	defer s.mu.Unlock()
	w := render.Overlay{Title: feed, PIP: s.pip != nil && feed != api.Self}
	if w.Title == "" {
		w.Title = "vchat"
	}
	if p.Received.Before(since) {
		p.Received = time.Time{} // of another feed
	}
	w.PIPStale = own.stale(now)
	switch {
	case feed == "":
		w.Blank, w.Notice = true, s.idle(now)
	case p.Received.IsZero():
		w.Blank, w.Notice = true, s.device.staleReason(feed, now)
	case p.stale(now):
		w.Stale, w.Headline, w.Notice = true, span(p.age(now))+" old", s.device.staleReason(feed, now)
		if p.Broken != nil {
			w.Notice = "the frames cannot be read: " + p.Broken.Error()
		}
	}
	if peer := s.device.rings(); peer != "" {
		calling, keys := peer+" is calling", "a answers, d declines"
		if feed == "" {
			w.Headline, w.Notice = calling, keys
		} else {
			w.Banner = calling + ": " + keys
		}
	}
	if s.info {
		w.Info = s.figures(now, p)
	}
	if s.typing {
		w.Typing = "say: " + string(s.typed) + "_"
	}
	for _, l := range s.lines {
		if now.Sub(l.at) < linesFor {
			w.Lines = append(w.Lines, l.text)
		}
	}
	return w
}

// idle says what a viewer waits for that follows calls.
func (s *Session) idle(now time.Time) string {
	if !s.device.up {
		return s.device.staleReason("", now)
	}
	for _, c := range s.device.status.Calls {
		if c.Direction == api.DirectionOut && c.State != api.CallEnded {
			return s.device.staleReason(c.Peer, now)
		}
	}
	return "waiting for calls"
}

// figures is the line of figures: frames a second, their delay, bits a second, their size.
func (s *Session) figures(now time.Time, p Shown) string {
	frames, bytes := s.newest.Totals()
	if d := now.Sub(s.rate.at); d >= rateOver {
		if !s.rate.at.IsZero() {
			s.rate.fps = float64(frames-s.rate.frames) / d.Seconds()
			s.rate.mbits = float64(bytes-s.rate.bytes) * 8 / 1e6 / d.Seconds()
			s.rate.age = p.age(now)
		}
		s.rate.at, s.rate.frames, s.rate.bytes = now, frames, bytes
	}
	if p.Received.IsZero() { // there is none that could be old
		return fmt.Sprintf("%.1f fps · %.1f Mbit/s", s.rate.fps, s.rate.mbits)
	}
	return fmt.Sprintf("%.1f fps · %d ms old · %.1f Mbit/s · %dx%d", s.rate.fps, max(0, s.rate.age.Milliseconds()), s.rate.mbits, p.W, p.H)
}

// rate is what figures measures.
type rate struct {
	at            time.Time
	frames, bytes uint64
	fps, mbits    float64
	age           time.Duration
}

// say adds a line to those that are shown.
func (s *Session) say(text string) {
	s.mu.Lock()
	s.lines = append(s.lines, line{text, time.Now()})
	s.lines = s.lines[max(0, len(s.lines)-mostLines):]
	s.mu.Unlock()
	poke(s.changed)
}
