package window

import (
	"github.com/jezek/xgb/shm"
	"github.com/jezek/xgb/xproto"

	"vchat/cmd/vchatctl/internal/view"
)

// listen handles the server's events until the connection ends.
func (w *Window) listen() {
	defer close(w.input)
	defer close(w.done)
	for {
		event, requestErr := w.conn.WaitForEvent()
		switch {
		case requestErr != nil:
			w.requestFailed(requestErr)
		case event == nil:
			return
		}
		switch e := event.(type) {
		case shm.CompletionEvent:
			w.markIdle(e.Shmseg)
		case xproto.ClientMessageEvent:
			w.clientMessage(e)
		case xproto.ConfigureNotifyEvent:
			w.resized(int(e.Width), int(e.Height))
		case xproto.ExposeEvent:
			if e.Count == 0 {
				w.sendInput(view.Input{Resized: true})
			}
		case xproto.MapNotifyEvent:
			w.setVisibility(func() { w.mapped, w.obscured = true, false })
			w.takeFocus()
		case xproto.UnmapNotifyEvent:
			w.setVisibility(func() { w.mapped = false })
		case xproto.VisibilityNotifyEvent:
			w.setVisibility(func() { w.obscured = e.State == xproto.VisibilityFullyObscured })
		case xproto.KeyPressEvent:
			if in, ok := w.keys.input(e.Detail, e.State); ok {
				w.sendInput(in)
			}
		case xproto.MotionNotifyEvent:
			w.pointerMoved(view.Pointer{Kind: view.PointerMove, X: int(e.EventX), Y: int(e.EventY)})
		case xproto.ButtonPressEvent:
			w.button(view.PointerPress, e)
		case xproto.ButtonReleaseEvent:
			w.button(view.PointerRelease, xproto.ButtonPressEvent(e))
		case xproto.LeaveNotifyEvent:
			if e.Mode == xproto.NotifyModeNormal { // else a grab, such as that of a pressed button
				w.sendInput(view.Input{Pointer: view.Pointer{Kind: view.PointerLeave}})
			}
		case xproto.MappingNotifyEvent:
			_ = w.keys.load(w.conn, w.setup) // on an error, keep the old map
		}
		w.notify()
	}
}

func (w *Window) notify() {
	select {
	case w.activity <- struct{}{}:
	default:
	}
}

// sendInput sends user input to the viewer without blocking: the viewer may
// wait for an event from this goroutine. If the channel is full, a key is
// dropped. A close or repaint request replaces the oldest input. Moves leave
// most of the channel free for the rest.
func (w *Window) sendInput(in view.Input) {
	if in.Pointer.Kind == view.PointerMove && len(w.input) > cap(w.input)/4 {
		return
	}
	select {
	case w.input <- in:
		return
	default:
	}
	if in.Key != view.KeyInterrupt && !in.Resized {
		return
	}
	select {
	case <-w.input:
	default:
	}
	w.input <- in // there is room: this is the only sender
}

// markIdle marks the buffer with this segment as read by the server. Segment 0
// stands for the buffers that PutImage sent.
func (w *Window) markIdle(segment shm.Seg) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.buffers {
		if w.buffers[i].segment == segment {
			w.buffers[i].busy = false
		}
	}
}

func (w *Window) clientMessage(e xproto.ClientMessageEvent) {
	switch {
	case e.Type == w.atoms.shown:
		w.markIdle(0)
	case e.Type == w.atoms.protocols && e.Format == 32 && xproto.Atom(e.Data.Data32[0]) == w.atoms.deleteWindow:
		w.sendInput(view.Input{Key: view.KeyInterrupt})
	}
}

// resized takes the window's new size. Any client may send such an event, with
// a size up to 65535x65535: no screen has more than maxPixels.
func (w *Window) resized(width, height int) {
	if !isScreen(width, height) {
		return
	}
	w.mu.Lock()
	same := w.width == width && w.height == height
	w.width, w.height = max(1, width), max(1, height)
	w.mu.Unlock()
	if !same {
		w.sendInput(view.Input{Resized: true})
	}
}

// setVisibility runs change with the lock held.
func (w *Window) setVisibility(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}
