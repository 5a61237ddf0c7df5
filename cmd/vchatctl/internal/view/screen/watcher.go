package screen

import (
	"context"
	"errors"
	"os"
	"time"

	"vchat/cmd/vchatctl/internal/view"
)

// watcher opens and closes the screen's outputs. Its own fields are for its goroutine.
type watcher struct {
	*Screen
	away  bool   // another console is on the screen
	told  string // why nothing is shown, as it was told last
	retry *time.Timer
}

// first is the attempt at which a fault is for whoever has started the program, and no reason to wait.
func (w *watcher) first() error {
	w.retry = time.NewTimer(0)
	w.retry.Stop()
	on, err := w.console.active()
	if err != nil {
		return ofConsole("asking which one is on the screen", err)
	}
	if w.away = !on; w.away {
		return nil
	}
	if err := w.begin(); err != nil && !errors.Is(err, errNoMonitor) {
		return err
	}
	return nil
}

// begin tries to show.
func (w *watcher) begin() error {
	w.retry.Stop()
	w.mu.Lock()
	o, err := openOutput(w.kernel)
	w.out = o
	w.mu.Unlock()
	if err != nil {
		w.says(err)
		w.retry.Reset(retryEvery)
		return err
	}
	w.told = ""
	w.wake()
	return nil
}

// end shows nothing any more.
func (w *watcher) end() {
	w.retry.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.out != nil {
		w.out.close()
		w.out = nil
	}
	w.wake() // Next is not to wait for its flip
}

// says tells each reason once.
func (w *watcher) says(err error) {
	text := reason(err)
	if text != w.told {
		w.told = text
		w.tell(text)
	}
}

func (w *watcher) run(ctx context.Context) {
	plugged, unlisten := w.kernel.hotplugs()
	defer unlisten()
	defer w.console.endReading()
	defer w.end()
	for {
		var failed <-chan error
		if w.out != nil { // only this goroutine changes it
			failed = w.out.failed
		}
		select {
		case <-ctx.Done():
			return
		case sig := <-w.console.switches():
			if err := w.switched(ctx, sig); err != nil {
				w.stop(err)
				return
			}
		case f := <-w.faulty:
			if f.out == w.out {
				w.fail(f.err)
			}
		case err := <-failed:
			w.fail(classify("waiting for a frame to be shown", err))
		case <-plugged:
			w.look(ctx)
		case <-w.retry.C:
			w.again(ctx)
		}
	}
}

// switched hears of a switch of consoles.
func (w *watcher) switched(ctx context.Context, sig os.Signal) error {
	w.end()
	if sig == releaseSignal {
		w.away = true
		return ofConsole("leaving it", w.console.leave())
	}
	w.away = false
	if err := w.console.enter(); err != nil {
		return ofConsole("coming back to it", err)
	}
	w.again(ctx)
	return nil
}

// fail ends an output after a fault, and tries again later: at once would be a loop if it fails at once.
func (w *watcher) fail(err error) {
	w.end()
	w.says(err)
	w.retry.Reset(retryEvery)
}

// look sees to it that what is shown is what there is, after a monitor has come or gone.
func (w *watcher) look(ctx context.Context) {
	switch {
	case w.away:
		return
	case w.out != nil:
		w.mu.Lock()
		t, err := choose(w.out.card)
		w.mu.Unlock()
		if err == nil && t == w.out.target {
			return
		}
		w.end()
	}
	w.again(ctx)
}

// again tries to show, and has all painted anew.
func (w *watcher) again(ctx context.Context) {
	if w.begin() != nil {
		return
	}
	select {
	case w.input <- view.Input{Resized: true}:
	case <-ctx.Done():
	}
}
