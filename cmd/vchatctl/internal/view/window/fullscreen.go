package window

import (
	"slices"

	"github.com/jezek/xgb/xproto"
)

// geometry is the place and size of a window, in pixels of the root window.
type geometry struct{ x, y, width, height int }

// SetFullscreen makes the window fill the screen, or restores its size. It asks
// the window manager; without one that supports it, it sets the window's
// geometry. The error is ErrGone or nil.
func (w *Window) SetFullscreen(on bool) error {
	if w.isGone() {
		return ErrGone
	}
	switch {
	case w.windowed == nil && w.managerSupportsFullscreen():
		w.requestFullscreen(on)
	case on && w.windowed == nil:
		before, screen, err := w.geometries()
		if err != nil {
			return ErrGone
		}
		w.windowed = &before
		w.setGeometry(screen)
	case !on && w.windowed != nil:
		w.setGeometry(*w.windowed)
		w.windowed = nil
	}
	return nil
}

// managerSupportsFullscreen reports whether a running window manager supports
// _NET_WM_STATE_FULLSCREEN. A manager that has exited leaves its properties on
// the root window, so EWMH adds a child window that proves it is running.
func (w *Window) managerSupportsFullscreen() bool {
	check := w.property32(w.screen.Root, w.atoms.supporting)
	if len(check) != 1 || !slices.Equal(w.property32(xproto.Window(check[0]), w.atoms.supporting), check) {
		return false
	}
	return slices.Contains(w.property32(w.screen.Root, w.atoms.supported), uint32(w.atoms.fullscreen))
}

func (w *Window) requestFullscreen(on bool) {
	const remove, add, application = 0, 1, 1
	data := []uint32{remove, uint32(w.atoms.fullscreen), 0, application, 0}
	if on {
		data[0] = add
	}
	ask := xproto.ClientMessageEvent{Format: 32, Window: w.id, Type: w.atoms.state,
		Data: xproto.ClientMessageDataUnionData32New(data)}
	xproto.SendEvent(w.conn, false, w.screen.Root,
		xproto.EventMaskSubstructureRedirect|xproto.EventMaskSubstructureNotify, string(ask.Bytes()))
}

// geometries returns the geometry of the window and of the screen. The screen
// can have changed since the connection was set up.
func (w *Window) geometries() (window, screen geometry, err error) {
	defer recoverProtocol(&err)
	at, err := xproto.TranslateCoordinates(w.conn, w.id, w.screen.Root, 0, 0).Reply()
	if err != nil {
		return geometry{}, geometry{}, err
	}
	root, err := xproto.GetGeometry(w.conn, xproto.Drawable(w.screen.Root)).Reply()
	if err != nil {
		return geometry{}, geometry{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	window = geometry{int(at.DstX), int(at.DstY), w.width, w.height}
	screen = geometry{0, 0, int(root.Width), int(root.Height)}
	return window, screen, nil
}

func (w *Window) setGeometry(g geometry) {
	xproto.ConfigureWindow(w.conn, w.id,
		xproto.ConfigWindowX|xproto.ConfigWindowY|
			xproto.ConfigWindowWidth|xproto.ConfigWindowHeight|xproto.ConfigWindowStackMode,
		[]uint32{uint32(int32(g.x)), uint32(int32(g.y)), uint32(g.width), uint32(g.height), xproto.StackModeAbove})
}
