package camera

import (
	"testing"
	"time"

	"vchat/daemon/daemontest/faketime"
)

func TestPacer(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		p := newPacer(10)
		for _, step := range []struct {
			work    time.Duration // before the wait
			skipped uint64
			at      time.Duration // end of the wait, after the start
		}{
			{0, 0, 0},
			{30 * time.Millisecond, 0, 100 * time.Millisecond},
			{150 * time.Millisecond, 0, 250 * time.Millisecond},
			{0, 0, 300 * time.Millisecond},
			{1050 * time.Millisecond, 9, 1350 * time.Millisecond},
			{0, 0, 1400 * time.Millisecond},
		} {
			time.Sleep(step.work)
			skipped, err := p.wait(time.Minute)
			if at := time.Since(p.start); err != nil || skipped != step.skipped || at != step.at {
				t.Errorf("after %v: got %v, %d skipped, %v; want %v, %d",
					step.work, at, skipped, err, step.at, step.skipped)
			}
		}
		if _, err := p.wait(time.Millisecond); err != errTimeout {
			t.Errorf("got %v, want %v", err, errTimeout)
		}
		p.wake()
		if _, err := p.wait(time.Minute); err != errWoken {
			t.Errorf("after a wake: got %v, want %v", err, errWoken)
		}
		if p.dueTime(1<<40) < p.dueTime(1<<40-1) {
			t.Error("got an overflow of dueTime")
		}
	})
}
