package window

import (
	"github.com/jezek/xgb/shm"
	"github.com/jezek/xgb/xproto"

	"vchat/cmd/vchatctl/internal/view"
)

// listen takes what the server says, until that is gone.
func (w *Window) listen() {
	defer close(w.input)
	defer close(w.done)
	for {
		event, refused := w.conn.WaitForEvent()
		switch {
		case refused != nil:
			w.failed(refused)
		case event == nil:
			return
		}
		switch e := event.(type) {
		case shm.CompletionEvent:
			w.isShown(e.Shmseg)
		case xproto.ClientMessageEvent:
			w.message(e)
		case xproto.ConfigureNotifyEvent:
			w.resized(int(e.Width), int(e.Height))
		case xproto.ExposeEvent:
			if e.Count == 0 {
				w.tell(view.Input{Resized: true})
			}
		case xproto.MapNotifyEvent:
			w.seen(func() { w.mapped, w.covered = true, false })
			w.focus()
		case xproto.UnmapNotifyEvent:
			w.seen(func() { w.mapped = false })
		case xproto.VisibilityNotifyEvent:
			w.seen(func() { w.covered = e.State == xproto.VisibilityFullyObscured })
		case xproto.KeyPressEvent:
			if in, ok := w.keys.input(e.Detail, e.State); ok {
				w.tell(in)
			}
		case xproto.MappingNotifyEvent:
			_ = w.keys.load(w.conn, w.setup) // the keys stay what they were
		}
		w.wake()
	}
}

func (w *Window) wake() {
	select {
	case w.poke <- struct{}{}:
	default:
	}
}

// tell hands on what the user does, and never waits for a viewer that does not listen, as it may wait for us. Keys are then
// lost. That the window is to close, or to be painted, is not: something older is.
func (w *Window) tell(in view.Input) {
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
	w.input <- in // there is room: nobody else sends
}

// isShown is told that the server has read a segment, or, by 0, what was sent otherwise.
func (w *Window) isShown(segment shm.Seg) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.buffers {
		if w.buffers[i].segment == segment {
			w.buffers[i].busy = false
		}
	}
}

func (w *Window) message(e xproto.ClientMessageEvent) {
	switch {
	case e.Type == w.atoms.shown:
		w.isShown(0)
	case e.Type == w.atoms.protocols && e.Format == 32 && xproto.Atom(e.Data.Data32[0]) == w.atoms.deleteWindow:
		w.tell(view.Input{Key: view.KeyInterrupt})
	}
}

func (w *Window) resized(width, height int) {
	w.mu.Lock()
	same := w.width == width && w.height == height
	w.width, w.height = max(1, width), max(1, height)
	w.mu.Unlock()
	if !same {
		w.tell(view.Input{Resized: true})
	}
}

// seen changes whether somebody can see the window.
func (w *Window) seen(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}
