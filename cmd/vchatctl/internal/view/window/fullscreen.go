package window

import (
	"slices"

	"github.com/jezek/xgb/screensaver"
	"github.com/jezek/xgb/xproto"
)

// geometry is where a window is on the screen.
type geometry struct{ x, y, width, height int }

// SetFullscreen makes the window as large as the screen and takes the pointer off it, or makes it what it was before: by the
// window manager, or, where there is none that can, by the window's size. Errors are ErrGone.
func (w *Window) SetFullscreen(on bool) error {
	if w.isDone() {
		return ErrGone
	}
	cursor := xproto.Cursor(xproto.CursorNone) // that of the screen
	if on {
		cursor = w.nowhere
	}
	xproto.ChangeWindowAttributes(w.conn, w.id, xproto.CwCursor, []uint32{uint32(cursor)})
	switch {
	case w.restore == nil && w.knowsFullscreen():
		w.askFullscreen(on)
	case on && w.restore == nil:
		before, screen, err := w.sizes()
		if err != nil {
			return ErrGone
		}
		w.restore = &before
		w.place(screen)
	case !on && w.restore != nil:
		w.place(*w.restore)
		w.restore = nil
	}
	return nil
}

// knowsFullscreen says whether there is a window manager that makes windows as large as a screen. One that is gone has left
// what it could, and a window to check that it lives.
func (w *Window) knowsFullscreen() bool {
	check := w.words(w.screen.Root, w.atoms.supporting)
	if len(check) != 1 || !slices.Equal(w.words(xproto.Window(check[0]), w.atoms.supporting), check) {
		return false
	}
	return slices.Contains(w.words(w.screen.Root, w.atoms.supported), uint32(w.atoms.fullscreen))
}

func (w *Window) askFullscreen(on bool) {
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

// sizes gives where the window is, and the screen, which may have changed since we came.
func (w *Window) sizes() (window, screen geometry, err error) {
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
	return geometry{int(at.DstX), int(at.DstY), w.width, w.height}, geometry{0, 0, int(root.Width), int(root.Height)}, nil
}

func (w *Window) place(g geometry) {
	xproto.ConfigureWindow(w.conn, w.id,
		xproto.ConfigWindowX|xproto.ConfigWindowY|xproto.ConfigWindowWidth|xproto.ConfigWindowHeight|xproto.ConfigWindowStackMode,
		[]uint32{uint32(int32(g.x)), uint32(int32(g.y)), uint32(g.width), uint32(g.height), xproto.StackModeAbove})
}

// noCursor makes a pointer without a pixel.
func (w *Window) noCursor() (xproto.Cursor, error) {
	cursor, err := xproto.NewCursorId(w.conn)
	if err != nil {
		return 0, err
	}
	pixmap, err := xproto.NewPixmapId(w.conn)
	if err != nil {
		return 0, err
	}
	gc, err := xproto.NewGcontextId(w.conn)
	if err != nil {
		return 0, err
	}
	xproto.CreatePixmap(w.conn, 1, pixmap, xproto.Drawable(w.id), 1, 1)
	xproto.CreateGC(w.conn, gc, xproto.Drawable(pixmap), xproto.GcForeground, []uint32{0})
	xproto.PolyFillRectangle(w.conn, xproto.Drawable(pixmap), gc, []xproto.Rectangle{{Width: 1, Height: 1}})
	xproto.CreateCursor(w.conn, cursor, pixmap, pixmap, 0, 0, 0, 0, 0, 0, 0, 0)
	xproto.FreeGC(w.conn, gc)
	xproto.FreePixmap(w.conn, pixmap)
	return cursor, nil
}

// stayAwake keeps the screen from going dark as long as we are here: who looks at a call touches nothing. A desktop that
// has its own clock for that does not hear of it.
func (w *Window) stayAwake() {
	if screensaver.Init(w.conn) != nil {
		return
	}
	if v, err := screensaver.QueryVersion(w.conn, 1, 1).Reply(); err == nil && (v.ServerMajorVersion > 1 || v.ServerMinorVersion >= 1) {
		screensaver.Suspend(w.conn, 1)
	}
}
