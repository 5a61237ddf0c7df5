package v4l2

import (
	"fmt"
	"sync"
)

// Watcher tells when cameras may have come, gone, or changed their owner: by the kernel's own event, without polling. It owns one
// goroutine, which Close ends and waits for.
type Watcher struct {
	notices NodeWatch
	changed chan struct{}
	done    chan struct{}
	end     sync.Once
	err     error // of the watching; to be read after done
}

// Watch begins to watch. What happened before is not told: look for cameras after Watch, not before.
func Watch(k Kernel) (*Watcher, error) {
	n, err := orLinux(k).Watch()
	if err != nil {
		return nil, fmt.Errorf("watch for cameras: %w", err)
	}
	return watch(n), nil
}

func watch(n NodeWatch) *Watcher {
	w := &Watcher{notices: n, changed: make(chan struct{}, 1), done: make(chan struct{})}
	go w.run()
	return w
}

// Changed is given one value for any number of changes since the last one was taken. It is never closed.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// Close ends the watching. Its error is why the watching had ended before, if it had. Calling it again does nothing more.
func (w *Watcher) Close() error {
	w.end.Do(func() {
		w.notices.Wake()
		<-w.done
		if err := w.notices.Close(); w.err == nil && err != nil {
			w.err = fmt.Errorf("watch for cameras: %w", err)
		}
	})
	return w.err
}

func (w *Watcher) run() {
	defer close(w.done)
	for {
		woken, err := w.notices.Wait()
		if woken {
			return
		}
		if err != nil {
			w.err = fmt.Errorf("watch for cameras: %w", err)
		}
		select {
		case w.changed <- struct{}{}:
		default: // there is one already
		}
		if err != nil {
			return // whoever hears of the last change looks once more; what comes later is found by the next try
		}
	}
}
