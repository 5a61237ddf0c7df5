package screen

import (
	"context"

	"vchat/cmd/vchatctl/internal/view"
)

// SetState implements view.StateDisplay: while there is something to see, the
// monitor is on.
func (s *Screen) SetState(state view.DisplayState) {
	select {
	case s.states <- state:
	case <-s.done:
	}
}

// wakeMonitor tells the watcher that the screen is used. It reports
// whether the monitor is dark. The caller holds s.mu.
func (s *Screen) wakeMonitor() (wasDark bool) {
	if s.idle > 0 {
		wake(s.used)
	}
	return s.dark
}

// useMonitor turns the monitor on if it is dark, and waits for Options.Idle
// again.
func (w *watcher) useMonitor(ctx context.Context) {
	w.awaitIdle()
	w.mu.Lock()
	o := w.out
	wasDark := w.dark
	var err error
	if wasDark {
		w.dark = false
		err = cardError("turn on the monitor", o.setMode())
	}
	w.mu.Unlock()
	switch {
	case err != nil:
		w.handleFault(err)
	case wasDark:
		select {
		case w.input <- view.Input{Resized: true}:
		case <-ctx.Done():
		}
	}
}

// awaitIdle starts to wait for Options.Idle, unless there is something to see.
func (w *watcher) awaitIdle() {
	w.unused.Stop()
	if w.idle > 0 && !w.state.Busy {
		w.unused.Reset(w.idle)
	}
}

// darken turns the monitor off. Frames are dropped until useMonitor.
func (w *watcher) darken() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.out == nil || w.dark || w.state.Busy {
		return
	}
	if err := w.out.turnOff(); err != nil {
		w.log(cardError("turn off the monitor", err).Error())
		return
	}
	w.dark = true
	w.notify() // Next must not wait for a flip
}
