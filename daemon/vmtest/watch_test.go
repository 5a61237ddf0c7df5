//go:build vm

package vmtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// A watcher is a viewer that goes on while things break, and what its checker has reported last.
type watcher struct {
	mu     sync.Mutex
	last   frameReport
	ended  error // set when the viewer has ended
	update chan struct{}
}

var errViewerEnded = errors.New("the viewer ended")

// watch starts to view the peer's frame on this device, until the test ends.
func (d device) watch(t *testing.T) *watcher {
	t.Helper()
	return d.watchFeed(t, d.peer().name, d.peer())
}

// watchFeed starts to view a feed on this device in which the other device's camera is expected, until the test ends.
func (d device) watchFeed(t *testing.T, feed string, from device) *watcher {
	t.Helper()
	w := &watcher{update: make(chan struct{}, 1)}
	follow(t, fmt.Sprintf("%s | framecheck -camera %d -size %s -every 200ms", d.ctl("view "+feed+" --to pipe"), from.camera.id, from.size),
		w.see, w.end)
	return w
}

// see takes a report of the checker.
func (w *watcher) see(line []byte) {
	w.mu.Lock()
	err := json.Unmarshal(line, &w.last)
	w.mu.Unlock()
	if err != nil {
		w.end(fmt.Errorf("report %q: %w", line, err))
	}
	w.tell()
}

func (w *watcher) end(err error) {
	w.mu.Lock()
	w.ended = fmt.Errorf("%w: %w", errViewerEnded, err)
	w.mu.Unlock()
	w.tell()
}

func (w *watcher) tell() {
	select {
	case w.update <- struct{}{}:
	default:
	}
}

func (w *watcher) report() (frameReport, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last, w.ended
}

// until waits for a report that satisfies ok.
func (w *watcher) until(t *testing.T, what string, ok func(frameReport) bool) frameReport {
	t.Helper()
	late := time.After(comesBack)
	for {
		r, err := w.report()
		if err != nil {
			t.Fatalf("waiting for %s: %v", what, err)
		}
		if ok(r) {
			return r
		}
		select {
		case <-w.update:
		case <-late:
			t.Fatalf("no %s within %v: %+v", what, comesBack, r)
		}
	}
}

// frames waits for n more frames of the camera than there are now and returns the report with them.
func (w *watcher) frames(t *testing.T, n int) frameReport {
	t.Helper()
	before, _ := w.report()
	return w.until(t, fmt.Sprintf("%d more frames", n), func(r frameReport) bool { return r.own() >= before.own()+n })
}

// silence waits until no picture of the camera has come for a second.
func (w *watcher) silence(t *testing.T) frameReport {
	t.Helper()
	last, err := w.report()
	for changed := time.Now(); time.Since(changed) < time.Second; time.Sleep(50 * time.Millisecond) {
		now, nowErr := w.report()
		err = errors.Join(err, nowErr)
		if err != nil {
			t.Fatal(err)
		}
		if now.own() != last.own() {
			last, changed = now, time.Now()
		}
	}
	return last
}
