package hooks

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"vchat/daemon/daemontest/faketime"
)

// A hook that fails every second time, once a minute for a day.
func TestSetFault_day(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h := New(slog.New(slog.NewTextHandler(&log, nil)))
		for range 24 * 60 {
			h.setFault(CameraLost, fault{faultRun, "exit status 3"})
			delete(h.faults, CameraLost) // it works
			time.Sleep(time.Minute)
		}
		h.setFault(Ring, fault{faultRun, "exit status 4"})
		if n := strings.Count(log.String(), "exit status 3"); n < faultLineBurst || n > faultLineBurst+24 {
			t.Errorf("got %d lines in a day, want %d to %d", n, faultLineBurst, faultLineBurst+24)
		}
		if n := strings.Count(log.String(), "exit status 4"); n != 1 {
			t.Errorf("got %d lines about another hook, want 1", n)
		}
	})
}
