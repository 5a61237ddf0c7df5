package link

import (
	"fmt"
	"time"
)

// state is in which quality frames go, and why.
type state struct {
	reduced  bool    // frames are made smaller than they come
	stubborn bool    // they should be, and cannot: their format, or their tables, are none that are taken apart here
	limited  bool    // by max_bitrate, not by the link
	carries  float64 // what the link does, in Mbit/s
}

// judge says what became of a frame that would take most bytes and was sent in so many. One that is small by itself is of
// a reduced sequence, too, where others have to be made smaller: then bound is set.
func (s *state) judge(bound bool, sent, most, room int) {
	s.reduced = sent < most || bound && sent <= room
	s.stubborn = bound && !s.reduced
}

// words say why frames do not go as they come; they are empty where they do.
func (s state) words() string {
	if !s.reduced && !s.stubborn {
		return ""
	}
	why := "max_bitrate"
	switch {
	case s.limited:
	case s.carries < 0.9995:
		why = fmt.Sprintf("link carries %.0f kbit/s", s.carries*1000)
	default:
		why = fmt.Sprintf("link carries %.1f Mbit/s", s.carries)
	}
	if s.stubborn {
		why += "; frames of this kind cannot be made smaller, so fewer go"
	}
	return why
}

// news decides when it is worth a line in the journal, and an event, that frames go in another quality: once that has
// lasted. A link at the brink changes it every second, so what is better has to last longer than what is worse.
type news struct {
	told  state // without numbers
	other state
	since time.Duration // of other
}

const (
	worseAfter  = 2 * time.Second
	betterAfter = 10 * time.Second
)

// due says that s is to be told now.
func (n *news) due(s state, now time.Duration) bool {
	s.carries, s.limited = 0, s.limited && (s.reduced || s.stubborn)
	lasts := worseAfter
	if s == (state{}) {
		lasts = betterAfter
	}
	switch {
	case s == n.told:
		n.other = s
		return false
	case s != n.other:
		n.other, n.since = s, now
		return false
	case now-n.since < lasts:
		return false
	}
	n.told = s
	return true
}
