package v4l2_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vchat/v4l2"
	"vchat/v4l2/v4l2test"
)

func TestResetUSB(t *testing.T) {
	inBubble(t, func(t *testing.T, k *v4l2test.Kernel, cam *v4l2test.Camera) {
		cam.Script(func(f *v4l2test.Faults) { f.Freeze, f.ResetHeals = true, true })
		c := mustOpen(t, v4l2.Config{Kernel: k})
		if _, err := c.Next(time.Second); !errors.Is(err, v4l2.ErrTimeout) {
			t.Fatalf("got %v, want ErrTimeout", err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := v4l2.ResetUSB(k, c.Device()); err != nil {
			t.Fatal(err)
		}
		if n := k.Counts().Resets; n != 1 {
			t.Errorf("got %d resets, want 1", n)
		}
		c = mustOpen(t, v4l2.Config{Kernel: k})
		nextRelease(t, c)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestResetUSB_errors(t *testing.T) {
	const id = "usb-A-index0"
	for _, x := range []struct {
		name    string
		device  v4l2test.Device
		faults  v4l2test.Faults
		do      func(*v4l2test.Kernel, *v4l2test.Camera)
		kind    error
		message string
	}{
		{"no permission", v4l2test.Device{}, v4l2test.Faults{Reset: unix.EACCES}, nil, v4l2.ErrPermission,
			`add a udev rule for the group "video": SUBSYSTEM=="usb", ATTR{idVendor}=="1d6b", ` +
				`ATTR{idProduct}=="0102", GROUP="video", MODE="0660"`},
		{"no permission in the unit", v4l2test.Device{}, v4l2test.Faults{Reset: unix.EPERM}, nil,
			v4l2.ErrPermission, "DeviceAllow=char-usb_device rw"},
		{"timeout", v4l2test.Device{}, v4l2test.Faults{Reset: unix.ETIMEDOUT}, nil, v4l2.ErrFailed, "USBDEVFS_RESET"},
		{"not USB", v4l2test.Device{NotUSB: true}, v4l2test.Faults{}, nil, v4l2.ErrNotUSB, "not a USB camera"},
		{"unplugged", v4l2test.Device{}, v4l2test.Faults{},
			func(_ *v4l2test.Kernel, c *v4l2test.Camera) { c.Unplug() }, v4l2.ErrNotFound, "no such camera"},
		{"number reused", v4l2test.Device{ID: id}, v4l2test.Faults{}, func(k *v4l2test.Kernel, c *v4l2test.Camera) {
			c.Unplug()
			k.Plug(v4l2test.Device{ID: "usb-B-index0"})
		}, v4l2.ErrNotFound, id},
	} {
		t.Run(x.name, func(t *testing.T) {
			k := v4l2test.New()
			cam := k.Plug(x.device)
			d, err := v4l2.Find(k, "auto")
			if err != nil {
				t.Fatal(err)
			}
			cam.Script(func(f *v4l2test.Faults) { *f = x.faults })
			if x.do != nil {
				x.do(k, cam)
			}
			err = v4l2.ResetUSB(k, d)
			if !errors.Is(err, x.kind) || !strings.Contains(err.Error(), x.message) {
				t.Errorf("got %v, want %v with %q", err, x.kind, x.message)
			}
			if x.faults.Reset != nil && !errors.Is(err, x.faults.Reset) {
				t.Errorf("got %v, want it to wrap %v", err, x.faults.Reset)
			}
			if n := k.Counts().Resets; n != 0 {
				t.Errorf("got %d resets, want 0", n)
			}
		})
	}
}
