package camera

import (
	"strings"
	"testing"
	"time"

	"vchat/daemon/daemontest/faketime"
	"vchat/v4l2/v4l2test"
)

func TestStatus_reasonStaysWhenIdle(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{})
		cam.Script(func(f *v4l2test.Faults) { f.Busy = "cheese (4711)" })
		r := run(t, kernel, small)
		defer r.stop()
		rd := r.Hub().Subscribe()
		r.card(rd)
		before := r.state(Lost)
		cam.Script(func(f *v4l2test.Faults) { f.Busy = "firefox (1)" })
		time.Sleep(5 * time.Second)
		after := r.state(Lost)
		if !strings.Contains(before.Reason, "cheese") || !strings.Contains(after.Reason, "firefox") {
			t.Errorf("got %q, then %q; want cheese, then firefox", before.Reason, after.Reason)
		}
		rd.Close()
		time.Sleep(2 * time.Second)
		if s := r.state(Idle); s.Reason != after.Reason {
			t.Errorf("idle: got reason %q, want %q", s.Reason, after.Reason)
		}
		cam.Script(func(f *v4l2test.Faults) { f.Busy = "" })
		rd = r.Hub().Subscribe()
		r.frame(rd)
		rd.Close()
		time.Sleep(2 * time.Second)
		if s := r.state(Idle); s.Reason != "" {
			t.Errorf("after a frame: got reason %q, want none", s.Reason)
		}
	})
}
