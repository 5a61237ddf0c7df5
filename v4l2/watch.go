package v4l2

import (
	"fmt"
	"sync"
)

// Watcher reports that cameras may have appeared, disappeared, or changed their
// owner. It uses kernel events, not polling. It owns one goroutine, which Close
// ends and waits for. Its methods may be called from any goroutine.
type Watcher struct {
	nodes   NodeWatch
	changed chan struct{}
	done    chan struct{}
	end     sync.Once
	err     error // why run ended; read after done
}

// Watch starts a Watcher. It does not report earlier changes, so list the
// cameras after Watch. An error wraps its errno.
func Watch(k Kernel) (*Watcher, error) {
	n, err := orLinux(k).Watch()
	if err != nil {
		return nil, fmt.Errorf("watch for cameras: %w", err)
	}
	return watch(n), nil
}

func watch(n NodeWatch) *Watcher {
	w := &Watcher{nodes: n, changed: make(chan struct{}, 1), done: make(chan struct{})}
	go w.run()
	return w
}

// Changed returns a channel that receives one value for all changes since the
// last receive. It is never closed.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// Close ends the Watcher. It returns the error that ended it earlier, if any.
// Later calls return the same.
func (w *Watcher) Close() error {
	w.end.Do(func() {
		w.nodes.Wake()
		<-w.done
		if err := w.nodes.Close(); w.err == nil && err != nil {
			w.err = fmt.Errorf("watch for cameras: %w", err)
		}
	})
	return w.err
}

func (w *Watcher) run() {
	defer close(w.done)
	for {
		woken, err := w.nodes.Wait()
		if woken {
			return
		}
		if err != nil {
			w.err = fmt.Errorf("watch for cameras: %w", err)
		}
		select {
		case w.changed <- struct{}{}:
		default: // one is pending
		}
		if err != nil {
			return // after the value above the reader lists the cameras once more
		}
	}
}
