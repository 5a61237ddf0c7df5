package window

import (
	"time"

	"github.com/jezek/xgb/xproto"

	"vchat/cmd/vchatctl/internal/view"
)

// pointerTimeout is how long the pointer stays after its last movement.
const pointerTimeout = 3 * time.Second

// mainButton is the left button, unless its user has swapped the buttons: the
// server does that.
const mainButton = 1

func (w *Window) pointerMoved(p view.Pointer) {
	select {
	case w.pointed <- struct{}{}:
	default:
	}
	w.sendInput(view.Input{Pointer: p})
}

// button handles a button. Other buttons than the main one, and the wheel, only
// show the pointer.
func (w *Window) button(kind view.PointerKind, e xproto.ButtonPressEvent) {
	p := view.Pointer{Kind: kind, X: int(e.EventX), Y: int(e.EventY), Clicks: 1}
	switch {
	case e.Detail != mainButton:
		p.Kind = view.PointerMove
		p.Clicks = 0
	case kind == view.PointerPress:
		p.Clicks = w.clicks.Press(time.Duration(e.Time)*time.Millisecond, p.X, p.Y)
	}
	w.pointerMoved(p)
}

// showPointer hides a pointer that rests over the window, until the connection
// ends.
func (w *Window) showPointer() {
	timeout := time.NewTimer(pointerTimeout)
	defer timeout.Stop()
	hidden := false
	for {
		select {
		case <-w.done:
			return
		case <-w.pointed:
			if hidden {
				w.setCursor(xproto.CursorNone) // the parent's cursor
			}
			hidden = false
			timeout.Reset(pointerTimeout)
		case <-timeout.C:
			w.setCursor(w.blankCursor)
			hidden = true
		}
	}
}

func (w *Window) setCursor(c xproto.Cursor) {
	xproto.ChangeWindowAttributes(w.conn, w.id, xproto.CwCursor, []uint32{uint32(c)})
}

// newBlankCursor creates a cursor without visible pixels.
func (w *Window) newBlankCursor() (xproto.Cursor, error) {
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
