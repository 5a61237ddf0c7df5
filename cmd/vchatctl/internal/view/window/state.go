package window

import (
	"github.com/jezek/xgb/screensaver"
	"github.com/jezek/xgb/xproto"

	"vchat/cmd/vchatctl/internal/view"
)

// SetState implements view.StateDisplay: it sets the title, asks for attention
// while a peer calls, and keeps the screen on while there is something to
// see.
func (w *Window) SetState(state view.DisplayState) {
	before := w.state
	w.state = state
	if w.isGone() {
		return
	}
	if state.Title != before.Title {
		w.setTitle(state.Title)
	}
	if state.Ringing != before.Ringing {
		w.setHints(state.Ringing)
	}
	if state.Busy != before.Busy {
		w.suspendScreenSaver(state.Busy)
	}
	if state.Ringing && !before.Ringing || state.Busy && !before.Busy {
		xproto.ForceScreenSaver(w.conn, xproto.ScreenSaverReset) // a dark screen is on again
	}
}

func (w *Window) setTitle(title string) {
	w.setProperty8(xproto.AtomWmName, xproto.AtomString, latin1(title))
	w.setProperty8(w.atoms.name, w.atoms.utf8, title)
}

// setHints sets WM_HINTS: the window takes the focus, and is urgent while
// a peer calls (ICCCM 4.1.2.4).
func (w *Window) setHints(urgent bool) {
	const inputHint, stateHint, urgencyHint, normalState = 1, 2, 256, 1
	flags := uint32(inputHint | stateHint)
	if urgent {
		flags |= urgencyHint
	}
	w.setProperty32(xproto.AtomWmHints, xproto.AtomWmHints, flags, 1, normalState, 0, 0, 0, 0, 0, 0)
}

// suspendScreenSaver keeps the screen on, at most as long as the connection is
// open: the viewer of a call may touch no key for long. It has no effect on a
// desktop that blanks the screen with a timer of its own.
func (w *Window) suspendScreenSaver(on bool) {
	if !w.screenSaver {
		return
	}
	value := uint32(0)
	if on {
		value = 1
	}
	screensaver.Suspend(w.conn, value)
}

// canSuspendScreenSaver reports whether the server has the request Suspend,
// which is new in version 1.1 of the extension.
func (w *Window) canSuspendScreenSaver() bool {
	if screensaver.Init(w.conn) != nil {
		return false
	}
	v, err := screensaver.QueryVersion(w.conn, 1, 1).Reply()
	return err == nil && (v.ServerMajorVersion > 1 || v.ServerMinorVersion >= 1)
}
