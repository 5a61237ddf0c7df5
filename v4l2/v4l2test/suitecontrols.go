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

// The cases of what is asked and set beside a stream, and of hot-plug.

func suiteFormats(t *testing.T, s Subject) {
	c := s.open(t, 640, 480)
	last := next(t, c)
	all, err := v4l2.Formats(s.Kernel, s.Device)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, f := range all {
		if f.Description == "" || len(f.Sizes) == 0 {
			t.Errorf("%v: %+v", f.Format, f)
		}
		for _, size := range f.Sizes {
			if size.Width <= 0 || size.Height <= 0 || size.MaxWidth == 0 && size.StepWidth != 0 {
				t.Errorf("%v: %+v", f.Format, size)
			}
			if !slices.IsSortedFunc(size.FPS, func(a, b float64) int { return int(b - a) }) {
				t.Errorf("%v: rates %v", f.Format, size.FPS)
			}
			found = found || size.MaxWidth > 0 || size.Width == c.Mode().Width && size.Height == c.Mode().Height
		}
	}
	if !found {
		t.Errorf("%+v is not among %+v", c.Mode(), all)
	}
	if b := next(t, c); b.Sequence <= last.Sequence {
		t.Errorf("frame %d after %d", b.Sequence, last.Sequence)
	}
	s.shut(t, c)
}

// control is the present state of one; nil if the camera has none of that name.
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
	last := next(t, c)
	all, err := v4l2.Controls(s.Kernel, s.Device)
	if err != nil || len(all) == 0 {
		t.Fatalf("%+v, %v", all, err)
	}
	for _, x := range all {
		t.Logf("%+v", x)
		if x.Name == "" || x.Min > x.Max || (x.Type == "menu") != (len(x.Menu) > 0) {
			t.Errorf("%+v", x)
		}
	}
	if err := v4l2.SetControl(s.Kernel, s.Device, "wormhole", "1"); !errors.Is(err, v4l2.ErrNoControl) || !strings.Contains(err.Error(), all[0].Name) {
		t.Errorf("unknown: %v", err)
	}
	if x := s.control(t, "brightness"); x != nil {
		for _, v := range []int64{x.Min, x.Max, x.Value} {
			s.set(t, "brightness", strconv.FormatInt(v, 10))
			if got := s.control(t, "brightness").Value; got != v {
				t.Errorf("brightness is %d, was set to %d", got, v)
			}
		}
		if err := v4l2.SetControl(s.Kernel, s.Device, "brightness", strconv.FormatInt(x.Max+1, 10)); !errors.Is(err, v4l2.ErrBadValue) {
			t.Errorf("beyond its range: %v", err)
		}
	}
	if x := s.control(t, "power_line_frequency"); x != nil {
		s.set(t, "power_line_frequency", "50hz")
		if got := s.control(t, "power_line_frequency"); got.Value != 1 {
			t.Errorf("50hz became %+v", got)
		}
		s.set(t, "power_line_frequency", strconv.FormatInt(x.Value, 10))
	}
	if b := next(t, c); b.Sequence <= last.Sequence {
		t.Errorf("frame %d after %d", b.Sequence, last.Sequence)
	}
	s.shut(t, c)
}

// An exposure time can be set by hand only.
func suiteInactive(t *testing.T, s Subject) {
	auto, exposure := s.control(t, "auto_exposure"), s.control(t, "exposure_time_absolute")
	if auto == nil || exposure == nil {
		t.Skip("the camera has no automatic exposure")
	}
	for _, m := range auto.Menu {
		s.set(t, "auto_exposure", m.Name)
		err := v4l2.SetControl(s.Kernel, s.Device, "exposure_time_absolute", strconv.FormatInt(exposure.Max, 10))
		byHand := m.Index == 1 || m.Index == 2
		if byHand && err != nil || !byHand && (!errors.Is(err, v4l2.ErrInactive) || !strings.Contains(err.Error(), "auto_exposure")) {
			t.Errorf("with auto_exposure %q: %v", m.Name, err)
		}
		if got := s.control(t, "exposure_time_absolute"); byHand && got.Value != exposure.Max {
			t.Errorf("with auto_exposure %q: %+v", m.Name, got)
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
	// until waits by the watch alone.
	until := func(what string, ok func(error) bool) {
		t.Helper()
		end := time.After(patience)
		for {
			_, err := v4l2.Find(s.Kernel, s.Device)
			if ok(err) {
				return
			}
			select {
			case <-w.Changed():
			case <-end:
				t.Fatalf("%s: the watch does not tell; %v", what, err)
			}
		}
	}
	for range 3 {
		s.do(t, "unplug")
		until("unplug", func(err error) bool { return errors.Is(err, v4l2.ErrNotFound) })
		s.do(t, "plug")
		until("plug", func(err error) bool { return err == nil })
	}
	// Nobody looks: nothing is to wake up for.
	time.Sleep(3 * time.Second)
	select {
	case <-w.Changed():
	default:
	}
	c := s.open(t, 640, 480)
	for range 10 {
		next(t, c)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	select {
	case <-w.Changed():
		t.Error("to open and to read a camera counts as a change")
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
			t.Error("it does not say what is missing")
		}
		return
	case err != nil:
		t.Fatal(err)
	}
	c := s.reopen(t)
	if got := c.Device().Node; got != d.Node {
		t.Errorf("the camera came back as %s, it was %s", got, d.Node)
	}
	next(t, c)
	s.shut(t, c)
}
