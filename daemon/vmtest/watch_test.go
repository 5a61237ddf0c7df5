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

// A watcher is a viewer that runs during a test. It keeps the last report of
// framecheck.
type watcher struct {
	mu      sync.Mutex
	last    frameReport
	ended   error         // why the viewer ended; nil: it runs
	changed chan struct{} // buffer: 1
}

var errViewerEnded = errors.New("the viewer ended")

// watch views the peer on this device until the end of the test.
func (d device) watch(t *testing.T) *watcher {
	t.Helper()
	return d.watchFeed(t, d.peer().name, d.peer())
}

// watchFeed views a feed on this device until the end of the test. It expects
// frames of the camera of from.
func (d device) watchFeed(t *testing.T, feed string, from device) *watcher {
	t.Helper()
	w := &watcher{changed: make(chan struct{}, 1)}
	script := fmt.Sprintf("%s | framecheck -camera %d -size %s -every 200ms",
		d.ctl("view "+feed+" --to pipe"), from.camera.id, from.size)
	follow(t, script, w.onReport, w.onEnd)
	return w
}

func (w *watcher) onReport(line []byte) {
	w.mu.Lock()
	err := json.Unmarshal(line, &w.last)
	w.mu.Unlock()
	if err != nil {
		w.onEnd(fmt.Errorf("decode report %q: %w", line, err))
	}
	w.notify()
}

func (w *watcher) onEnd(err error) {
	w.mu.Lock()
	w.ended = fmt.Errorf("%w: %w", errViewerEnded, err)
	w.mu.Unlock()
	w.notify()
}

func (w *watcher) notify() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// report returns the last report, and an error if the viewer has ended.
func (w *watcher) report() (frameReport, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last, w.ended
}

// await waits for a report that satisfies ok. what is its name in a failure.
func (w *watcher) await(t *testing.T, what string, ok func(frameReport) bool) frameReport {
	t.Helper()
	timeout := time.After(waitTimeout)
	for {
		r, err := w.report()
		if err != nil {
			t.Fatalf("wait for %s: %v", what, err)
		}
		if ok(r) {
			return r
		}
		select {
		case <-w.changed:
		case <-timeout:
			t.Fatalf("after %v: got frames %+v, want %s", waitTimeout, r, what)
		}
	}
}

// awaitFrames waits for n more frames of the camera.
func (w *watcher) awaitFrames(t *testing.T, n int) frameReport {
	t.Helper()
	before, _ := w.report()
	return w.await(t, fmt.Sprintf("%d more frames", n), func(r frameReport) bool {
		return r.intact() >= before.intact()+n
	})
}

// awaitSilence waits for a second without a frame of the camera.
func (w *watcher) awaitSilence(t *testing.T) frameReport {
	t.Helper()
	last, err := w.report()
	for changed := time.Now(); time.Since(changed) < time.Second; time.Sleep(50 * time.Millisecond) {
		now, nowErr := w.report()
		err = errors.Join(err, nowErr)
		if err != nil {
			t.Fatal(err)
		}
		if now.intact() != last.intact() {
			last, changed = now, time.Now()
		}
	}
	return last
}
