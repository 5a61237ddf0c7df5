//go:build vm

package vmtest

import (
	"bytes"
	"context"
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
	line   []byte // an incomplete one
	last   frameReport
	ended  error // set when the viewer has ended
	update chan struct{}
}

var errViewerEnded = errors.New("the viewer ended")

// watch starts to view the peer's picture on this device, until the test ends.
func (d device) watch(t *testing.T) *watcher {
	t.Helper()
	p := d.peer()
	w := &watcher{update: make(chan struct{}, 1)}
	ctx, stop := context.WithCancel(context.Background())
	var stderr bytes.Buffer
	var running sync.WaitGroup
	running.Go(func() {
		script := fmt.Sprintf("%s | framecheck -camera %d -size %s -every 200ms",
			d.ctl("view "+p.name+" --to pipe"), p.camera.id, p.size)
		err := machine.Run(ctx, bash(script, ""), w, &stderr)
		w.mu.Lock()
		w.ended = fmt.Errorf("%w: %v: %s", errViewerEnded, err, &stderr)
		w.mu.Unlock()
		w.tell()
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	return w
}

func (w *watcher) tell() {
	select {
	case w.update <- struct{}{}:
	default:
	}
}

// Write takes the checker's reports, a line each.
func (w *watcher) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line = append(w.line, p...)
	for {
		line, rest, found := bytes.Cut(w.line, []byte("\n"))
		if !found {
			break
		}
		if err := json.Unmarshal(line, &w.last); err != nil {
			w.ended = fmt.Errorf("%w: report %q: %w", errViewerEnded, line, err)
		}
		w.line = rest
	}
	w.tell()
	return len(p), nil
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

// pictures waits for n more pictures of the camera than there are now and returns the report with them.
func (w *watcher) pictures(t *testing.T, n int) frameReport {
	t.Helper()
	before, _ := w.report()
	return w.until(t, fmt.Sprintf("%d more pictures", n), func(r frameReport) bool { return r.Exact >= before.Exact+n })
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
		if now.Exact != last.Exact {
			last, changed = now, time.Now()
		}
	}
	return last
}
