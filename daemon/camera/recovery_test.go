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

func TestUSBReset(t *testing.T) {
	for _, c := range []struct {
		name     string
		allowed  bool
		fault    func(*v4l2test.Faults)
		recovers bool
		resets   int // in ten minutes; -1: two to seven
		logged   string
	}{
		{"frozen until the reset", true, func(f *v4l2test.Faults) { f.Freeze, f.ResetHeals = true, true },
			true, 1, "camera USB device reset"},
		{"frozen forever", true, func(f *v4l2test.Faults) { f.Freeze = true },
			false, -1, "camera USB device reset"},
		{"not allowed by the configuration", false, func(f *v4l2test.Faults) { f.Freeze, f.ResetHeals = true, true },
			false, 0, "the camera sends no frames"},
		{"not allowed by the system", true, func(f *v4l2test.Faults) { f.Freeze, f.Reset = true, unix.EACCES },
			false, 0, "udev rule"},
		{"driver error", true, func(f *v4l2test.Faults) { f.StreamOn = unix.EIO },
			false, -1, "camera USB device reset"},
		{"in use", true, func(f *v4l2test.Faults) { f.Busy = "cheese (1)" },
			false, 0, "cheese (1)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			faketime.Test(t, func(t *testing.T) {
				kernel := v4l2test.New()
				cam := kernel.Plug(v4l2test.Device{})
				cfg := small
				cfg.USBReset = c.allowed
				r := run(t, kernel, cfg)
				defer r.stop()
				rd := r.Hub().Subscribe()
				defer rd.Close()
				r.frame(rd)
				cam.Script(c.fault)
				if c.name == "driver error" || c.name == "in use" {
					cam.Unplug()
					cam.Replug()
				}
				began := time.Now()
				if c.recovers {
					r.card(rd)
					r.frame(rd)
					if d := time.Since(began); d > 8*time.Second {
						t.Errorf("got a frame after %v, want at most 8s", d)
					}
				}
				time.Sleep(10*time.Minute - time.Since(began))
				s, n := r.Status(), kernel.Counts().Resets
				if int(s.USBResets) != n || c.resets >= 0 && n != c.resets || c.resets < 0 && (n < 2 || n > 7) {
					t.Errorf("got %d resets, %d in the status; want %d", n, s.USBResets, c.resets)
				}
				if log := r.log.String(); !strings.Contains(log, c.logged) {
					t.Errorf("got no %q in the log:\n%s", c.logged, log)
				}
				if n := strings.Count(r.log.String(), "USB reset failed"); n > 7 {
					t.Errorf("got %d failed resets, want at most 7:\n%s", n, r.log)
				}
			})
		})
	}
}

func TestNoFrames_afterEachFrame(t *testing.T) {
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
			t.Errorf("got %d restarts and %d reopens, want 1 and at least 2", s.Restarted, s.Reopened)
		}
	})
}

// slowResetKernel takes three seconds for a USB reset.
type slowResetKernel struct {
	*v4l2test.Kernel
	began chan struct{}
	done  atomic.Bool
	path  atomic.Pointer[string] // of the USB device that was reset
}

func (k *slowResetKernel) ResetUSB(path string) error {
	close(k.began)
	time.Sleep(3 * time.Second)
	err := k.Kernel.ResetUSB(path)
	k.path.Store(&path)
	k.done.Store(true)
	return err
}

func TestPrivacy_duringUSBReset(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := &slowResetKernel{Kernel: v4l2test.New(), began: make(chan struct{})}
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
		if err := r.SetPrivacy(t.Context(), true); err != nil || !kernel.done.Load() {
			t.Errorf("got %v with the reset done: %v; want nil after the reset", err, kernel.done.Load())
		}
		opens := kernel.Counts().Opens
		time.Sleep(time.Minute)
		if n := kernel.Counts().Opens - opens; n != 0 {
			t.Errorf("privacy on: got %d opens, want 0", n)
		}
	})
}

func TestUSBReset_ofTheFrozenCamera(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := &slowResetKernel{Kernel: v4l2test.New(), began: make(chan struct{})}
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
		kernel.Plug(v4l2test.Device{}) // auto prefers this one
		<-kernel.began
		r.frame(rd)
		if path := *kernel.path.Load(); path != frozen.Path {
			t.Errorf("got a reset of %s, want %s", path, frozen.Path)
		}
	})
}
