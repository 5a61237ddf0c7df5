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
			t.Fatalf("%v, want ErrTimeout", err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := v4l2.ResetUSB(k, c.Device()); err != nil {
			t.Fatal(err)
		}
		if n := k.Counts().Resets; n != 1 {
			t.Errorf("%d resets", n)
		}
		c = mustOpen(t, v4l2.Config{Kernel: k})
		oneMore(t, c)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestResetUSBFails(t *testing.T) {
	const id = "usb-A-index0"
	for _, x := range []struct {
		name   string
		device v4l2test.Device
		faults v4l2test.Faults
		do     func(*v4l2test.Kernel, *v4l2test.Camera)
		kind   error
		says   string
	}{
		{"no right", v4l2test.Device{}, v4l2test.Faults{Reset: unix.EACCES}, nil, v4l2.ErrPermission,
			`udev rule permits it to the group "video": SUBSYSTEM=="usb", ATTR{idVendor}=="1d6b", ATTR{idProduct}=="0102", GROUP="video", MODE="0660"`},
		{"not by the unit", v4l2test.Device{}, v4l2test.Faults{Reset: unix.EPERM}, nil, v4l2.ErrPermission, "DeviceAllow=char-usb_device rw"},
		{"no answer", v4l2test.Device{}, v4l2test.Faults{Reset: unix.ETIMEDOUT}, nil, v4l2.ErrFailed, "USBDEVFS_RESET"},
		{"not USB", v4l2test.Device{NotUSB: true}, v4l2test.Faults{}, nil, v4l2.ErrNotUSB, "no USB camera"},
		{"gone", v4l2test.Device{}, v4l2test.Faults{}, func(_ *v4l2test.Kernel, c *v4l2test.Camera) { c.Unplug() }, v4l2.ErrNotFound, "no such camera"},
		{"another has its number", v4l2test.Device{ID: id}, v4l2test.Faults{}, func(k *v4l2test.Kernel, c *v4l2test.Camera) {
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
			if !errors.Is(err, x.kind) || !strings.Contains(err.Error(), x.says) {
				t.Errorf("%v; want %v, %q", err, x.kind, x.says)
			}
			if x.faults.Reset != nil && !errors.Is(err, x.faults.Reset) {
				t.Errorf("%v does not keep %v", err, x.faults.Reset)
			}
			if n := k.Counts().Resets; n != 0 {
				t.Errorf("%d resets", n)
			}
		})
	}
}
