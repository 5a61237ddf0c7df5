package daemon

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/call"
	"vchat/daemon/daemontest/faketime"
)

// newLogging returns a daemon that does not run, and its log.
func newLogging(t *testing.T) (*Daemon, *bytes.Buffer) {
	t.Helper()
	cfg := config.Default()
	cfg.StateDir = filepath.Join(t.TempDir(), "state")
	log := &bytes.Buffer{}
	d, err := New(cfg, slog.New(slog.NewTextHandler(log, nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	log.Reset()
	return d, log
}

// A call that is interrupted every minute for a day has some lines in the log,
// and one at its end.
func TestCallChanged_interruptions(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		d, log := newLogging(t)
		c := call.Call{Peer: "bob", ID: call.ID{1}}
		change := func(state call.State) {
			d.mu.Lock()
			defer d.mu.Unlock()
			c.State = state
			d.callChanged(c)
		}
		change(call.Active)
		for range 24 * 60 {
			change(call.Resuming)
			time.Sleep(10 * time.Second)
			change(call.Active)
			time.Sleep(50 * time.Second)
		}
		const most = 2 * (sessionLineBurst + 24)
		for state, limit := range map[string]int{"state=resuming": most / 2, "state=active": most/2 + 1} {
			if n := strings.Count(log.String(), state); n < sessionLineBurst || n > limit {
				t.Errorf("got %d lines with %s, want %d to %d", n, state, sessionLineBurst, limit)
			}
		}
		change(call.Resuming)
		change(call.Ended)
		if n := strings.Count(log.String(), "state=ended"); n != 1 {
			t.Errorf("got %d lines about the end, want 1", n)
		}
	})
}

// A call over a bad network changes its quality every few seconds.
func TestLogQuality(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		d, log := newLogging(t)
		s := newCallSession()
		for range 24 * 60 * 12 {
			d.logQuality(s, call.Call{Peer: "bob"}, &api.Sending{Reason: "network"})
			time.Sleep(5 * time.Second)
		}
		n := strings.Count(log.String(), "\n")
		if n < sessionLineBurst || n > sessionLineBurst+24 || !strings.Contains(log.String(), "omitted=719") {
			t.Errorf("got %d lines in a day, want %d to %d with omitted=719:\n%s", n, sessionLineBurst,
				sessionLineBurst+24, log)
		}
	})
}
