package main

import (
	"os"

	"vchat/daemon/api"
)

// colours are those of a terminal. They only say again what the words say.
type colours bool

// colours are used on a terminal that has them, unless its user does not want any (https://no-color.org).
func (a *app) colours() colours {
	return colours(a.onTerminal() && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
}

func (in colours) good(text string) string     { return in.sgr("32", text) } // green
func (in colours) doubtful(text string) string { return in.sgr("33", text) } // yellow
func (in colours) bad(text string) string      { return in.sgr("31", text) } // red

// sgr is ECMA-48's "select graphic rendition".
func (in colours) sgr(code, text string) string {
	if !in || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[m"
}

func (in colours) camera(s api.Status, state string) string {
	switch {
	case s.Privacy || s.Camera.State == api.CameraOpening:
		return in.doubtful(state)
	case s.Camera.State == api.CameraStreaming:
		return in.good(state)
	case s.Camera.State == api.CameraIdle:
		return state
	}
	return in.bad(state)
}

func (in colours) call(s api.CallState) string {
	if s == api.CallActive {
		return in.good(string(s))
	}
	return in.doubtful(string(s))
}

// link is linkText with the state in colour; a peer that is away is nothing bad by itself.
func (in colours) link(l *api.Link) string {
	text := linkText(l)
	if l.State == api.LinkUp {
		return in.good(string(l.State)) + text[len(l.State):]
	}
	return text
}
