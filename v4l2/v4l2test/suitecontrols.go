package v4l2test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vchat/v4l2"
)

// This file has the cases of formats and controls during a stream, and of
// hot-plug.

func suiteFormats(t *testing.T, s Subject) {
	c := s.open(t, 640, 480)
	last := nextFrame(t, c)
	all, err := v4l2.Formats(s.Kernel, s.Device)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, f := range all {
		if f.Description == "" || len(f.Sizes) == 0 {
			t.Errorf("%v: got %+v, want a description and sizes", f.Format, f)
		}
		for _, size := range f.Sizes {
			if size.Width <= 0 || size.Height <= 0 || size.MaxWidth == 0 && size.StepWidth != 0 {
				t.Errorf("%v: got size %+v, want positive values, and a step of ranges only", f.Format, size)
			}
			if !slices.IsSortedFunc(size.FPS, func(a, b float64) int { return int(b - a) }) {
				t.Errorf("%v: got rates %v, want the highest first", f.Format, size.FPS)
			}
			found = found || size.MaxWidth > 0 || size.Width == c.Mode().Width && size.Height == c.Mode().Height
		}
	}
	if !found {
		t.Errorf("got formats %+v, want the mode %+v among them", all, c.Mode())
	}
	if b := nextFrame(t, c); b.Sequence <= last.Sequence {
		t.Errorf("got frame %d after %d", b.Sequence, last.Sequence)
	}
	s.closeAndCheck(t, c)
}

// control returns a control by name; nil if the camera has none.
func (s Subject) control(t *testing.T, name string) *v4l2.Control {
	t.Helper()
	all, err := v4l2.Controls(s.Kernel, s.Device)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if c.Name == name {
			return &c
		}
	}
	return nil
}

func (s Subject) set(t *testing.T, name, value string) {
	t.Helper()
	if err := v4l2.SetControl(s.Kernel, s.Device, name, value); err != nil {
		t.Fatal(err)
	}
}

func suiteControls(t *testing.T, s Subject) {
	c := s.open(t, 640, 480)
	last := nextFrame(t, c)
	all, err := v4l2.Controls(s.Kernel, s.Device)
	if err != nil || len(all) == 0 {
		t.Fatalf("Controls: got %+v, %v; want at least one", all, err)
	}
	for _, x := range all {
		t.Logf("%+v", x)
		if x.Name == "" || x.Min > x.Max || (x.Type == "menu") != (len(x.Menu) > 0) {
			t.Errorf("got %+v, want a name, a range, and entries of menus only", x)
		}
	}
	err = v4l2.SetControl(s.Kernel, s.Device, "wormhole", "1")
	if !errors.Is(err, v4l2.ErrNoControl) || !strings.Contains(err.Error(), all[0].Name) {
		t.Errorf("unknown control: got %v, want ErrNoControl and %s", err, all[0].Name)
	}
	if x := s.control(t, "brightness"); x != nil {
		for _, v := range []int64{x.Min, x.Max, x.Value} {
			s.set(t, "brightness", strconv.FormatInt(v, 10))
			if got := s.control(t, "brightness").Value; got != v {
				t.Errorf("brightness: got %d, want %d", got, v)
			}
		}
		err := v4l2.SetControl(s.Kernel, s.Device, "brightness", strconv.FormatInt(x.Max+1, 10))
		if !errors.Is(err, v4l2.ErrBadValue) {
			t.Errorf("value above the range: got %v, want ErrBadValue", err)
		}
	}
	if x := s.control(t, "power_line_frequency"); x != nil {
		s.set(t, "power_line_frequency", "50hz")
		if got := s.control(t, "power_line_frequency"); got.Value != 1 {
			t.Errorf("50hz: got %+v, want 1", got)
		}
		s.set(t, "power_line_frequency", strconv.FormatInt(x.Value, 10))
	}
	if b := nextFrame(t, c); b.Sequence <= last.Sequence {
		t.Errorf("got frame %d after %d", b.Sequence, last.Sequence)
	}
	s.closeAndCheck(t, c)
}

// The exposure time can be set with manual exposure only.
func suiteInactive(t *testing.T, s Subject) {
	auto, exposure := s.control(t, "auto_exposure"), s.control(t, "exposure_time_absolute")
	if auto == nil || exposure == nil {
		t.Skip("the camera has no automatic exposure")
	}
	for _, m := range auto.Menu {
		s.set(t, "auto_exposure", m.Name)
		err := v4l2.SetControl(s.Kernel, s.Device, "exposure_time_absolute", strconv.FormatInt(exposure.Max, 10))
		manual := m.Index == 1 || m.Index == 2
		inactive := errors.Is(err, v4l2.ErrInactive) && strings.Contains(err.Error(), "auto_exposure")
		if manual && err != nil || !manual && !inactive {
			t.Errorf("with auto_exposure %q: got %v, want ErrInactive: %v", m.Name, err, !manual)
		}
		if got := s.control(t, "exposure_time_absolute"); manual && got.Value != exposure.Max {
			t.Errorf("with auto_exposure %q: got %+v, want the value %d", m.Name, got, exposure.Max)
		}
	}
	s.set(t, "auto_exposure", strconv.FormatInt(auto.Value, 10))
	s.wantNoLeaks(t)
}

func suiteWatch(t *testing.T, s Subject) {
	w, err := v4l2.Watch(s.Kernel)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		s.wantNoLeaks(t)
	}()
	// until waits for ok. It calls Find only after a change.
	until := func(what string, ok func(error) bool) {
		t.Helper()
		end := time.After(frameTimeout)
		for {
			_, err := v4l2.Find(s.Kernel, s.Device)
			if ok(err) {
				return
			}
			select {
			case <-w.Changed():
			case <-end:
				t.Fatalf("%s: no change reported within %v; %v", what, frameTimeout, err)
			}
		}
	}
	for range 3 {
		s.do(t, "unplug")
		until("unplug", func(err error) bool { return errors.Is(err, v4l2.ErrNotFound) })
		s.do(t, "plug")
		until("plug", func(err error) bool { return err == nil })
	}
	time.Sleep(3 * time.Second) // until udev is done
	select {
	case <-w.Changed():
	default:
	}
	c := s.open(t, 640, 480)
	for range 10 {
		nextFrame(t, c)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	select {
	case <-w.Changed():
		t.Error("opening and reading a camera: got a change, want none")
	default:
	}
}

func suiteReset(t *testing.T, s Subject) {
	d, err := v4l2.Find(s.Kernel, s.Device)
	if err != nil {
		t.Fatal(err)
	}
	err = v4l2.ResetUSB(s.Kernel, d)
	switch {
	case errors.Is(err, v4l2.ErrNotUSB):
		t.Skip(err)
	case errors.Is(err, v4l2.ErrPermission):
		t.Log(err)
		if !strings.Contains(err.Error(), "/dev/bus/usb/") || !strings.Contains(err.Error(), "ATTR{idVendor}") {
			t.Errorf("got %q, want it to name the USB device and a udev rule", err)
		}
		return
	case err != nil:
		t.Fatal(err)
	}
	c := s.reopen(t)
	if got := c.Device().Node; got != d.Node {
		t.Errorf("after the reset: got node %s, want %s", got, d.Node)
	}
	nextFrame(t, c)
	s.closeAndCheck(t, c)
}
