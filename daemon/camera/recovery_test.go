package camera

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vchat/daemon/daemontest/faketime"
	"vchat/v4l2"
	"vchat/v4l2/v4l2test"
)

func TestResetIsTheLastStep(t *testing.T) {
	for _, c := range []struct {
		name   string
		allow  bool
		fault  func(*v4l2test.Faults)
		heals  bool
		resets int // in ten minutes; -1: a few
		says   string
	}{
		{"frozen until the reset", true, func(f *v4l2test.Faults) { f.Freeze, f.ResetHeals = true, true }, true, 1, "USB device was reset"},
		{"frozen for ever", true, func(f *v4l2test.Faults) { f.Freeze = true }, false, -1, "USB device was reset"},
		{"not permitted by the configuration", false, func(f *v4l2test.Faults) { f.Freeze, f.ResetHeals = true, true }, false, 0, "sends no frames"},
		{"not permitted by the system", true, func(f *v4l2test.Faults) { f.Freeze, f.Reset = true, unix.EACCES }, false, 0, "udev rule"},
		{"does not start", true, func(f *v4l2test.Faults) { f.StreamOn = unix.EIO }, false, -1, "USB device was reset"},
		{"busy", true, func(f *v4l2test.Faults) { f.Busy = "cheese (1)" }, false, 0, "cheese (1)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			faketime.Test(t, func(t *testing.T) {
				kernel := v4l2test.New()
				cam := kernel.Plug(v4l2test.Device{})
				cfg := small
				cfg.USBReset = c.allow
				r := run(t, kernel, cfg)
				defer r.stop()
				rd := r.Hub().Subscribe()
				defer rd.Close()
				r.frame(rd)
				cam.Script(c.fault)
				if c.name == "does not start" || c.name == "busy" {
					cam.Unplug()
					cam.Replug()
				}
				began := time.Now()
				if c.heals {
					r.card(rd)
					r.frame(rd)
					if d := time.Since(began); d > 8*time.Second {
						t.Errorf("a frame came after %v", d)
					}
				}
				time.Sleep(10*time.Minute - time.Since(began))
				s, n := r.Status(), kernel.Counts().Resets
				if int(s.USBResets) != n || c.resets >= 0 && n != c.resets || c.resets < 0 && (n < 2 || n > 7) {
					t.Errorf("%d resets, %d in the status", n, s.USBResets)
				}
				if log := r.log.String(); !strings.Contains(log, c.says) {
					t.Errorf("the log does not say %q:\n%s", c.says, log)
				}
				if n := strings.Count(r.log.String(), "could not be reset"); n > 7 {
					t.Errorf("%d times in vain:\n%s", n, r.log)
				}
			})
		})
	}
}

// A reset takes the node away for a moment: that is no new fault. It is one where it stays away, or after the camera was back.
func TestSettlingAfterAReset(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		now := time.Now()
		for _, c := range []struct {
			name             string
			before, is       *cause
			resetAt, stirred time.Time
			want             bool
		}{
			{"gone by the reset", silent, missing, now.Add(-time.Second), time.Time{}, true},
			{"stays away", silent, missing, now.Add(-comeBack), time.Time{}, false},
			{"no reset", silent, missing, time.Time{}, time.Time{}, false},
			{"unplugged after it was back", nil, unplug, now.Add(-time.Second), time.Time{}, false},
			{"back, but not of its group yet", silent, denied, now.Add(-time.Second), now, true},
			{"plugged in, but not of its group yet", unplug, denied, time.Time{}, now, true},
			{"never of its group", unplug, denied, time.Time{}, now.Add(-settle), false},
			{"still silent", silent, faulty, now, now, false},
		} {
			k := &supervisor{outage: outage{cause: c.before}, recovery: recovery{resetAt: c.resetAt}, stirred: c.stirred}
			if got := k.settling(c.is); got != c.want {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
		}
	})
}

func TestACameraThatFreezesAfterEachFrameIsReopened(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{})
		r := run(t, kernel, small)
		defer r.stop()
		rd := r.Hub().Subscribe()
		defer rd.Close()
		for range 5 {
			r.frame(rd)
			cam.Script(func(f *v4l2test.Faults) { f.Freeze = true })
			r.card(rd)
			cam.Script(func(f *v4l2test.Faults) { f.Freeze = false })
		}
		if s := r.Status(); s.Restarted != 1 || s.Reopened < 2 {
			t.Errorf("restarted %d times, reopened %d times", s.Restarted, s.Reopened)
		}
	})
}

// resetting is a kernel whose resets take their time.
type resetting struct {
	*v4l2test.Kernel
	began chan struct{}
	over  atomic.Bool
	which atomic.Pointer[string] // USB device was reset
}

func (k *resetting) ResetUSB(path string) error {
	close(k.began)
	time.Sleep(3 * time.Second)
	err := k.Kernel.ResetUSB(path)
	k.which.Store(&path)
	k.over.Store(true)
	return err
}

func TestPrivacyWaitsForAReset(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := &resetting{Kernel: v4l2test.New(), began: make(chan struct{})}
		cam := kernel.Plug(v4l2test.Device{})
		cfg := small
		cfg.USBReset, cfg.Kernel = true, kernel
		r := run(t, kernel.Kernel, cfg)
		defer r.stop()
		rd := r.Hub().Subscribe()
		defer rd.Close()
		r.frame(rd)
		cam.Script(func(f *v4l2test.Faults) { f.Freeze = true })
		<-kernel.began
		if err := r.SetPrivacy(t.Context(), true); err != nil || !kernel.over.Load() {
			t.Errorf("%v; privacy is on, and the camera is still worked on", err)
		}
		opens := kernel.Counts().Opens
		time.Sleep(time.Minute)
		if n := kernel.Counts().Opens - opens; n != 0 {
			t.Errorf("opened %d times under privacy", n)
		}
	})
}

func TestTheFrozenCameraIsReset(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := &resetting{Kernel: v4l2test.New(), began: make(chan struct{})}
		raw := []v4l2test.Format{{FourCC: v4l2.YUYV, Sizes: [][2]int{{320, 240}}}}
		cam := kernel.Plug(v4l2test.Device{Formats: raw})
		cfg := small
		cfg.USBReset, cfg.Kernel = true, kernel
		r := run(t, kernel.Kernel, cfg)
		defer r.stop()
		rd := r.Hub().Subscribe()
		defer rd.Close()
		r.frame(rd)
		frozen, err := kernel.USBDevice("/dev/video0")
		if err != nil {
			t.Fatal(err)
		}
		cam.Script(func(f *v4l2test.Faults) { f.Freeze, f.ResetHeals = true, true })
		for r.Status().Reopened == 0 {
			time.Sleep(10 * time.Millisecond)
		}
		kernel.Plug(v4l2test.Device{}) // one that auto likes better
		<-kernel.began
		r.frame(rd)
		if path := *kernel.which.Load(); path != frozen.Path {
			t.Errorf("%s was reset, not %s", path, frozen.Path)
		}
	})
}
