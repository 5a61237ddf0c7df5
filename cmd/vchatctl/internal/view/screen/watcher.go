package screen

import (
	"context"
	"errors"
	"os"
	"time"

	"vchat/cmd/vchatctl/internal/view"
)

// watcher opens and closes the screen's outputs. Its goroutine owns its fields.
type watcher struct {
	*Screen
	away     bool   // another console is on the screen
	reported string // the last reason that was logged, or ""
	retry    *time.Timer

	pointers pointers
	scan     *time.Timer   // looks for input devices again
	delay    time.Duration // of scan
	fade     *time.Timer   // repaints the cursor while it fades
	state    view.DisplayState
	unused   *time.Timer // the screen was not used for Options.Idle
}

func newWatcher(s *Screen) *watcher {
	w := &watcher{Screen: s}
	w.pointers = pointers{screen: s, devices: map[string]*pointerDevice{}, ended: make(chan struct{}, 1)}
	for _, t := range []**time.Timer{&w.retry, &w.scan, &w.fade, &w.unused} {
		*t = time.NewTimer(time.Hour)
		(*t).Stop()
	}
	return w
}

// start opens the output for the first time. Its errors end the program, except
// for a missing monitor.
func (w *watcher) start() error {
	active, err := w.console.active()
	if err != nil {
		return consoleError("read active console", err)
	}
	if w.away = !active; w.away {
		return nil
	}
	if err := w.openOutput(); err != nil && !errors.Is(err, errNoMonitor) {
		return err
	}
	w.scanSoon()
	return nil
}

// openOutput opens an output, or starts the timer for a retry.
func (w *watcher) openOutput() error {
	w.retry.Stop()
	w.mu.Lock()
	o, err := openOutput(w.kernel)
	w.out, w.dark = o, false
	w.mu.Unlock()
	w.awaitIdle()
	if err != nil {
		w.reportOnce(err)
		w.retry.Reset(retryInterval)
		return err
	}
	w.reported = ""
	w.notify()
	return nil
}

// closeOutput closes the output, if any.
func (w *watcher) closeOutput() {
	w.retry.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.out != nil {
		w.out.close()
		w.out, w.dark = nil, false
	}
	w.notify() // Next must not wait for the flip of this output
}

// reportOnce logs the reason unless it is the last one logged.
func (w *watcher) reportOnce(err error) {
	text := reasonText(err)
	if text != w.reported {
		w.reported = text
		w.log(text)
	}
}

func (w *watcher) run(ctx context.Context) {
	hotplug, inputs, stopHotplug := w.kernel.hotplugs()
	defer stopHotplug()
	defer w.console.endReading()
	defer w.closeOutput()
	defer w.pointers.close()
	defer w.stopTimers()
	for {
		var readErr <-chan error
		if w.out != nil { // only this goroutine changes it
			readErr = w.out.readErr
		}
		select {
		case <-ctx.Done():
			return
		case sig := <-w.console.switches():
			if err := w.consoleSwitched(ctx, sig); err != nil {
				w.stop(err)
				return
			}
		case f := <-w.faults:
			if f.out == w.out {
				w.handleFault(f.err)
			}
		case err := <-readErr:
			w.handleFault(cardError("read events", err))
		case <-hotplug:
			w.monitorChanged(ctx)
		case <-w.retry.C:
			w.reopen(ctx)
		case <-inputs:
			w.scanSoon()
		case <-w.pointers.ended:
			w.delay = scanDelay
			w.scan.Reset(w.delay)
		case <-w.scan.C:
			w.scanAgain()
		case <-w.cursorMoved:
			w.fade.Reset(cursorTimeout - cursorFade)
		case <-w.fade.C:
			w.fadeCursor()
		case w.state = <-w.states:
			w.useMonitor(ctx)
		case <-w.used:
			w.useMonitor(ctx)
		case <-w.unused.C:
			w.darken()
		}
	}
}

func (w *watcher) stopTimers() {
	for _, t := range [...]*time.Timer{w.retry, w.scan, w.fade, w.unused} {
		t.Stop()
	}
}

// scanSoon looks for input devices, unless another console has them, and again
// when udev is done with them.
func (w *watcher) scanSoon() {
	w.delay = scanDelay
	w.scan.Reset(w.delay)
	if !w.away {
		w.pointers.scan()
	}
}

// scanAgain looks for input devices a last time, or until there is permission.
func (w *watcher) scanAgain() {
	switch denied := !w.away && w.pointers.scan(); {
	case denied && w.delay < maxScanDelay:
		w.delay *= 2
		w.scan.Reset(w.delay)
	case denied:
		w.pointers.reportDenied()
	}
}

// fadeCursor asks for repaints until the pointer is gone.
func (w *watcher) fadeCursor() {
	w.mu.Lock()
	visible := w.cursor.opacity(time.Now()) > 0
	w.mu.Unlock()
	w.sendPointer(view.Input{Resized: true})
	if visible {
		w.fade.Reset(cursorStep)
	}
}

// consoleSwitched handles a signal of the kernel for a switch of consoles.
func (w *watcher) consoleSwitched(ctx context.Context, sig os.Signal) error {
	w.closeOutput()
	if sig == releaseSignal {
		w.away = true
		w.pointers.close()
		return consoleError("leave", w.console.leave())
	}
	w.away = false
	if err := w.console.enter(); err != nil {
		return consoleError("return", err)
	}
	w.reopen(ctx)
	w.scanSoon()
	return nil
}

// handleFault closes the output and retries later. An immediate retry could
// loop.
func (w *watcher) handleFault(err error) {
	w.closeOutput()
	w.reportOnce(err)
	w.retry.Reset(retryInterval)
}

// monitorChanged reopens the output if the monitor has changed.
func (w *watcher) monitorChanged(ctx context.Context) {
	switch {
	case w.away:
		return
	case w.out != nil:
		w.mu.Lock()
		t, err := findMonitor(w.out.card)
		w.mu.Unlock()
		if err == nil && t == w.out.target {
			return
		}
		w.closeOutput()
	}
	w.reopen(ctx)
}

// reopen opens an output and asks for a repaint.
func (w *watcher) reopen(ctx context.Context) {
	if w.openOutput() != nil {
		return
	}
	select {
	case w.input <- view.Input{Resized: true}:
	case <-ctx.Done():
	}
}
