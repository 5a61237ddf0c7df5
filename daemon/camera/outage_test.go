package camera

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vchat/daemon/daemontest/faketime"
	"vchat/v4l2/v4l2test"
)

// After the kernel has made a node, udev takes moments to set its group. That
// is not a new fault.
func TestReplug_beforeUdev(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{})
		r := run(t, kernel, small)
		defer r.stop()
		rd := r.Hub().Subscribe()
		defer rd.Close()
		r.frame(rd)
		cam.Unplug()
		r.card(rd)
		cam.Script(func(f *v4l2test.Faults) { f.Open = unix.EACCES })
		cam.Replug()
		time.Sleep(200 * time.Millisecond)
		if s := r.state(Lost); s.Headline != causeUnplugged.headline {
			t.Errorf("before udev: got %q, want %q", s.Headline, causeUnplugged.headline)
		}
		time.Sleep(3 * time.Second)
		if s := r.state(Failed); s.Headline != causeNoPermission.headline {
			t.Errorf("after udevGrace: got %q, want %q", s.Headline, causeNoPermission.headline)
		}
		cam.Script(func(f *v4l2test.Faults) { f.Open = nil })
		r.frame(rd)
	})
}

// A reset removes the node for a moment, which is not a new fault. It is one if
// the node stays away, or if the camera had recovered.
func TestTransient(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		now := time.Now()
		for _, c := range []struct {
			name                   string
			before, now            *cause
			resetAt, deviceEventAt time.Time
			want                   bool
		}{
			{"removed by the reset", causeNoFrames, causeNotFound, now.Add(-time.Second), time.Time{}, true},
			{"stays away after the reset", causeNoFrames, causeNotFound, now.Add(-resetGrace), time.Time{}, false},
			{"no reset", causeNoFrames, causeNotFound, time.Time{}, time.Time{}, false},
			{"unplugged after it recovered", nil, causeUnplugged, now.Add(-time.Second), time.Time{}, false},
			{"back after the reset, group not set yet", causeNoFrames, causeNoPermission, now.Add(-time.Second), now, true},
			{"plugged in, group not set yet", causeUnplugged, causeNoPermission, time.Time{}, now, true},
			{"group never set", causeUnplugged, causeNoPermission, time.Time{}, now.Add(-udevGrace), false},
			{"driver error after the reset", causeNoFrames, causeDriver, now, now, false},
		} {
			s := &supervisor{outage: outage{cause: c.before}, recovery: recovery{resetAt: c.resetAt}, deviceEventAt: c.deviceEventAt}
			if got := s.transient(c.now); got != c.want {
				t.Errorf("%s: got %v, want %v", c.name, got, c.want)
			}
		}
	})
}
