package camera

import (
	"strings"
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
		if s := r.state(Opening); s.Headline != "" {
			t.Errorf("before udev: got %q, want none", s.Headline)
		}
		if strings.Contains(r.log.String(), causeNoPermission.name) {
			t.Errorf("before udev: got a fault in the log:\n%s", r.log)
		}
		time.Sleep(6 * time.Second)
		if s := r.state(Failed); s.Headline != causeNoPermission.headline {
			t.Errorf("group never set: got %q, want %q", s.Headline, causeNoPermission.headline)
		}
		cam.Script(func(f *v4l2test.Faults) { f.Open = nil })
		r.frame(rd)
		if n := strings.Count(r.log.String(), "camera recovered"); n != 1 {
			t.Errorf("got %d lines of a recovery, want 1:\n%s", n, r.log)
		}
	})
}

// The camera was plugged in just before the first reader came, or has had a USB
// reset.
func TestOpen_beforeUdev(t *testing.T) {
	for _, delay := range []time.Duration{100 * time.Millisecond, 900 * time.Millisecond, 2500 * time.Millisecond} {
		faketime.Test(t, func(t *testing.T) {
			kernel := v4l2test.New()
			cam := kernel.Plug(v4l2test.Device{})
			cam.Script(func(f *v4l2test.Faults) { f.Open = unix.EACCES })
			r := run(t, kernel, small)
			defer r.stop()
			rd := r.Hub().Subscribe()
			defer rd.Close()
			time.Sleep(delay)
			r.state(Opening)
			cam.Script(func(f *v4l2test.Faults) { f.Open = nil })
			r.frame(rd)
			if log := r.log.String(); strings.Contains(log, "camera lost") || strings.Contains(log, "recovered") {
				t.Errorf("group set after %v: got a fault in the log:\n%s", delay, log)
			}
		})
	}
}

// At boot, vchatd may be earlier than the USB bus and than udev. A camera that
// comes late is no fault; one that does not come at all is, once.
func TestOpen_atBoot(t *testing.T) {
	noGroup := func(f *v4l2test.Faults) { f.Open, f.NoGroup = unix.EACCES, true }
	for _, tt := range []struct {
		name     string
		plugged  bool          // long before vchatd starts, as udev has not run yet
		late     time.Duration // until the camera is there, or has its group; 0: never
		state    State         // before that
		lost     string        // cause in the log; "": no fault
		deadline time.Duration // of the log line
	}{
		{"camera after 3 s", false, 3 * time.Second, Opening, "", 0},
		{"camera after 9 s", false, 9 * time.Second, Opening, "", 0},
		{"camera after a minute", false, time.Minute, Lost, "not found", lateTime + 2*longPause},
		{"no camera", false, 0, Lost, "not found", lateTime + 2*longPause},
		{"group after 3 s", true, 3 * time.Second, Opening, "", 0},
		{"group after 9 s", true, 9 * time.Second, Opening, "", 0},
		{"group after a minute", true, time.Minute, Failed, "no permission", lateTime + 2*longPause},
		{"no group", true, 0, Failed, "no permission", lateTime + 2*longPause},
	} {
		t.Run(tt.name, func(t *testing.T) {
			faketime.Test(t, func(t *testing.T) {
				kernel := v4l2test.New()
				var cam *v4l2test.Camera
				if tt.plugged {
					cam = kernel.Plug(v4l2test.Device{})
					cam.Script(noGroup)
					time.Sleep(20 * time.Second)
				}
				r := run(t, kernel, small)
				defer r.stop()
				rd := r.Hub().Subscribe()
				defer rd.Close()
				time.Sleep(lateTime - 2*time.Second)
				if tt.late == 0 || tt.late > lateTime {
					s := r.state(Opening)
					if s.Reason != "" || len(s.Warnings) > 0 || r.log.String() != "" {
						t.Errorf("at first: got %+v and the log %q, want patience", s, r.log)
					}
					time.Sleep(tt.deadline - lateTime + 2*time.Second)
					r.state(tt.state)
					if n := strings.Count(r.log.String(), tt.lost); n != 1 {
						t.Errorf("got %d lines with %q, want 1:\n%s", n, tt.lost, r.log)
					}
				} else if d := tt.late - (lateTime - 2*time.Second); d > 0 {
					time.Sleep(d)
				}
				if tt.late == 0 {
					time.Sleep(time.Hour)
					if n := strings.Count(r.log.String(), "\n"); n != 1 {
						t.Errorf("got %d lines, want 1:\n%s", n, r.log)
					}
					return
				}
				if cam == nil {
					kernel.Plug(v4l2test.Device{})
				} else {
					cam.Script(func(f *v4l2test.Faults) { *f = v4l2test.Faults{} })
				}
				r.frame(rd)
				if tt.lost == "" && r.log.String() != "" {
					t.Errorf("got the log %q, want nothing", r.log)
				}
				if n := strings.Count(r.log.String(), "camera recovered"); tt.lost != "" && n != 1 {
					t.Errorf("got %d lines of a recovery, want 1:\n%s", n, r.log)
				}
			})
		})
	}
}

// A reset removes the node for a moment, which is not a new fault. It is one if
// the node stays away, or if the camera had recovered.
func TestTransient(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		now := time.Now()
		for _, c := range []struct {
			name        string
			before, now *cause
			resetAt     time.Time
			want        bool
		}{
			{"removed by the reset", causeNoFrames, causeNotFound, now.Add(-time.Second), true},
			{"stays away after the reset", causeNoFrames, causeNotFound, now.Add(-resetGrace), false},
			{"no reset", causeNoFrames, causeNotFound, time.Time{}, false},
			{"unplugged after it recovered", nil, causeUnplugged, now.Add(-time.Second), false},
			{"no permission after the reset", causeNoFrames, causeNoPermission, now, false},
			{"driver error after the reset", causeNoFrames, causeDriver, now, false},
		} {
			s := &supervisor{outage: outage{cause: c.before}, recovery: recovery{resetAt: c.resetAt}}
			if got := s.transient(c.now); got != c.want {
				t.Errorf("%s: got %v, want %v", c.name, got, c.want)
			}
		}
	})
}
