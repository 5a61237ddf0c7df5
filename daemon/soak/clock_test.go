//go:build linux && (amd64 || arm64)

package soak

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vchat/daemon/daemontest/powercut"
)

// TestClockJump lets the wall clock of alice jump, as after the first time from
// the network on a device without a battery. The call must not notice.
func TestClockJump(t *testing.T) {
	if *frames == 0 {
		t.Skip("only with -frames: all system calls of alice are traced, which takes a quiet machine")
	}
	*rate = min(*rate, 15) // all system calls of alice are traced
	w := newWorld(t)
	alice := w.devices[0]
	w.must(alice.end(syscall.SIGTERM))
	var clock atomic.Int64
	traced := func() *powercut.Tracer {
		t.Helper()
		log, err := os.OpenFile(alice.path("log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		w.must(err)
		defer log.Close()
		tr, err := powercut.Start(powercut.Command{
			Path: alice.vchatd, Args: []string{"vchatd", "--config", alice.path("vchat.yaml")}, Env: os.Environ(),
			Root: filepath.Join(alice.dir, "nothing"), Output: log, Clock: &clock,
		})
		if errors.Is(err, powercut.ErrNoPtrace) {
			t.Skip(err)
		}
		w.must(err)
		for limit := time.Now().Add(startLimit); ; time.Sleep(5 * time.Millisecond) {
			if _, err := alice.status(); err == nil {
				return tr
			} else if time.Now().After(limit) {
				w.fatal(err)
			}
		}
	}
	tr := traced()
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	defer readers.Wait()
	defer cancel()
	defer func() {
		tr.Signal(syscall.SIGTERM)
		if code, err := tr.Wait(); code != 0 || err != nil {
			t.Errorf("alice: got exit code %d, error %v", code, err)
		}
	}()
	w.call(ctx, &readers)
	const day = 24 * time.Hour
	for _, jump := range []time.Duration{time.Second, -time.Minute, 400 * day, -30 * 365 * day, 30 * 365 * day, 0} {
		for _, c := range w.checkers {
			c.clearGap()
		}
		clock.Store(int64(jump))
		time.Sleep(500 * time.Millisecond)
		w.must(w.fresh(monotonic(), hangLimit))
		limit := time.Duration(float64(time.Second) * *slack)
		for i, c := range w.checkers {
			if gap := c.longestGap(); gap > limit {
				t.Errorf("clock at %v: %s got no frame for %v, want at most %v", jump, w.devices[i].name, gap, limit)
			}
		}
		s, err := alice.status()
		w.must(err)
		if call := s.Calls[0]; call.SinceMS < 0 || call.SinceMS > w.elapsed() || s.UptimeMS > w.elapsed() {
			t.Errorf("clock at %v: got uptime %d ms, call for %d ms, want at most %d",
				jump, s.UptimeMS, call.SinceMS, w.elapsed())
		}
		if id := w.callOf(0); id != w.calls[0] {
			t.Errorf("clock at %v: call %s has become call %s", jump, w.calls[0], id)
		}
	}
	// The clock is wrong again after a restart: the saved call has a time in
	// the future.
	tr.Signal(syscall.SIGTERM)
	_, _ = tr.Wait()
	clock.Store(-int64(30 * 365 * day))
	tr = traced()
	w.must(w.fresh(monotonic(), hangLimit))
	if id := w.callOf(0); id != w.calls[0] {
		t.Errorf("restart with another clock: call %s has become call %s", w.calls[0], id)
	}
	for _, c := range w.checkers {
		if _, defects := c.result(); len(defects) > 0 {
			t.Errorf("got %v, want all frames intact and in order", defects)
		}
	}
}

// elapsed returns the time since the start of the run in ms.
func (w *world) elapsed() int64 { return time.Since(w.began).Milliseconds() }
