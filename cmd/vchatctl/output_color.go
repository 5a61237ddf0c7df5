package main

import (
	"os"

	"vchat/daemon/api"
)

// colors adds colors to text if true. A color never carries information that
// the text does not.
type colors bool

// colors returns true on a terminal with colors, unless the user has set
// NO_COLOR (https://no-color.org).
func (a *app) colors() colors {
	return colors(a.onTerminal() && os.Getenv("NO_COLOR") == "" && plainReason() == "")
}

func (c colors) green(text string) string  { return c.sgr("32", text) }
func (c colors) yellow(text string) string { return c.sgr("33", text) }
func (c colors) red(text string) string    { return c.sgr("31", text) }

// sgr wraps text in ECMA-48's Select Graphic Rendition.
func (c colors) sgr(code, text string) string {
	if !c || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[m"
}

func (c colors) camera(s api.Status, state string) string {
	switch {
	case s.Privacy || s.Camera.State == api.CameraOpening:
		return c.yellow(state)
	case s.Camera.State == api.CameraStreaming:
		return c.green(state)
	case s.Camera.State == api.CameraIdle:
		return state
	}
	return c.red(state)
}

func (c colors) call(s api.CallState) string {
	if s == api.CallActive {
		return c.green(string(s))
	}
	return c.yellow(string(s))
}

// link returns linkText with the state in color. A link that is down stays
// plain: the peer may just be off.
func (c colors) link(l *api.Link) string {
	text := linkText(l)
	if l.State == api.LinkUp {
		return c.green(string(l.State)) + text[len(l.State):]
	}
	return text
}
