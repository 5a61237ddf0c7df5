package daemon

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vchat/config"
	"vchat/daemon/call"
	"vchat/daemon/daemontest/faketime"
)

// A call that is interrupted every minute for a day has some lines in the log,
// and one at its end.
func TestCallChanged_interruptions(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		cfg := config.Default()
		cfg.StateDir = filepath.Join(t.TempDir(), "state")
		var log bytes.Buffer
		d, err := New(cfg, slog.New(slog.NewTextHandler(&log, nil)), nil)
		if err != nil {
			t.Fatal(err)
		}
		log.Reset()
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
		const most = 2 * (interruptionBurst + 24)
		for state, limit := range map[string]int{"state=resuming": most / 2, "state=active": most/2 + 1} {
			if n := strings.Count(log.String(), state); n < interruptionBurst || n > limit {
				t.Errorf("got %d lines with %s, want %d to %d", n, state, interruptionBurst, limit)
			}
		}
		change(call.Resuming)
		change(call.Ended)
		if n := strings.Count(log.String(), "state=ended"); n != 1 {
			t.Errorf("got %d lines about the end, want 1", n)
		}
	})
}
