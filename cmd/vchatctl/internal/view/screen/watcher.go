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
}

// start opens the output for the first time. Its errors end the program, except
// for a missing monitor.
func (w *watcher) start() error {
	w.retry = time.NewTimer(0)
	w.retry.Stop()
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
	return nil
}

// openOutput opens an output, or starts the timer for a retry.
func (w *watcher) openOutput() error {
	w.retry.Stop()
	w.mu.Lock()
	o, err := openOutput(w.kernel)
	w.out = o
	w.mu.Unlock()
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
		w.out = nil
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
	hotplug, stopHotplug := w.kernel.hotplugs()
	defer stopHotplug()
	defer w.console.endReading()
	defer w.closeOutput()
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
		}
	}
}

// consoleSwitched handles a signal of the kernel for a switch of consoles.
func (w *watcher) consoleSwitched(ctx context.Context, sig os.Signal) error {
	w.closeOutput()
	if sig == releaseSignal {
		w.away = true
		return consoleError("leave", w.console.leave())
	}
	w.away = false
	if err := w.console.enter(); err != nil {
		return consoleError("return", err)
	}
	w.reopen(ctx)
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
