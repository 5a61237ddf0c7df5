package v4l2_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"vchat/v4l2"
	"vchat/v4l2/internal/uapi"
	"vchat/v4l2/v4l2test"
)

// allControls has a control of each type.
var allControls = []v4l2test.Control{
	{ID: 0x00980900, Name: "Brightness", Min: -64, Max: 64, Value: 10},
	{ID: 0x00980901, Name: "Class", Type: uapi.CtrlTypeCtrlClass},
	{ID: 0x00980903, Name: "Gone", Flags: uapi.CtrlFlagDisabled},
	{ID: 0x00980918, Name: "Power Line Frequency", Max: 2, Value: 2,
		Menu: map[int32]string{0: "Disabled", 1: "50 Hz", 2: "60 Hz"}},
	{ID: 0x0098091f, Name: "Push", Type: uapi.CtrlTypeButton, Flags: uapi.CtrlFlagWriteOnly},
	{ID: 0x009a0901, Name: "Auto Exposure", Max: 3, Value: 3,
		Menu: map[int32]string{1: "Manual Mode", 3: "Aperture Priority Mode"}},
	{ID: 0x009a0902, Name: "Exposure Time, Absolute", Min: 1, Max: 5000, Value: 156},
	{ID: 0x009a0903, Name: "Exposure, Dynamic Framerate", Max: 1, Boolean: true},
	{ID: 0x009f0901, Name: "Link Frequency", Type: uapi.CtrlTypeIntegerMenu, Max: 1, Value: 1,
		Menu: map[int32]string{0: "222000000", 1: "456000000"}},
	{ID: 0x009f0902, Name: "Pixel Rate", Type: uapi.CtrlTypeInteger64, Flags: uapi.CtrlFlagReadOnly,
		Max: 1 << 30, Value: 1 << 29},
	{ID: 0x009f0903, Name: "Long", Type: uapi.CtrlTypeInteger64, Min: -9, Max: 9},
	{ID: 0x009f0904, Name: "Bits", Type: uapi.CtrlTypeBitmask, Max: -1, Value: -2},
	{ID: 0x009f0905, Name: "Words", Type: uapi.CtrlTypeString, Max: 31},
	{ID: 0x009f0906, Name: "Matrix", Type: 0x0100},
	{ID: 0x009f0907, Name: "Fixed", Flags: uapi.CtrlFlagGrabbed, Max: 1},
}

func TestControls(t *testing.T) {
	k := v4l2test.New()
	cam := k.Plug(v4l2test.Device{Controls: allControls})
	got, err := v4l2.Controls(k, "auto")
	if err != nil {
		t.Fatal(err)
	}
	want := []v4l2.Control{
		{Name: "brightness", Title: "Brightness", Type: "int", Min: -64, Max: 64, Default: 10, Value: 10},
		{Name: "power_line_frequency", Title: "Power Line Frequency", Type: "menu", Max: 2, Default: 2, Value: 2,
			Menu: []v4l2.MenuItem{{0, "Disabled"}, {1, "50 Hz"}, {2, "60 Hz"}}},
		{Name: "push", Title: "Push", Type: "button", Unread: true},
		{Name: "auto_exposure", Title: "Auto Exposure", Type: "menu", Max: 3, Default: 3, Value: 3,
			Menu: []v4l2.MenuItem{{1, "Manual Mode"}, {3, "Aperture Priority Mode"}}},
		{Name: "exposure_time_absolute", Title: "Exposure Time, Absolute", Type: "int", Min: 1, Max: 5000,
			Default: 156, Value: 156, Inactive: true},
		{Name: "exposure_dynamic_framerate", Title: "Exposure, Dynamic Framerate", Type: "bool", Max: 1},
		{Name: "link_frequency", Title: "Link Frequency", Type: "intmenu", Max: 1, Default: 1, Value: 1,
			Menu: []v4l2.MenuItem{{0, "222000000"}, {1, "456000000"}}},
		{Name: "pixel_rate", Title: "Pixel Rate", Type: "int64", Max: 1 << 30, Default: 1 << 29, Value: 1 << 29,
			ReadOnly: true},
		{Name: "long", Title: "Long", Type: "int64", Min: -9, Max: 9},
		{Name: "bits", Title: "Bits", Type: "bitmask", Max: 0xffffffff, Default: 0xfffffffe, Value: 0xfffffffe},
		{Name: "words", Title: "Words", Type: "string", Max: 31, Unread: true},
		{Name: "matrix", Title: "Matrix", Unread: true},
		{Name: "fixed", Title: "Fixed", Type: "int", Max: 1},
	}
	for i := range want {
		want[i].Step = 1
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(v4l2.Control{})); d != "" {
		t.Errorf("Controls (-want +got):\n%s", d)
	}
	// A control that cannot be read does not hide the others.
	cam.Script(func(f *v4l2test.Faults) { f.GetControl = unix.EPIPE })
	if got, err := v4l2.Controls(k, "auto"); err != nil || len(got) != len(want) || !got[0].Unread {
		t.Errorf("with EPIPE: got %+v, %v; want all controls, unread", got, err)
	}
	cam.Script(func(f *v4l2test.Faults) { f.GetControl = unix.ENODEV })
	if _, err := v4l2.Controls(k, "auto"); !errors.Is(err, v4l2.ErrUnplugged) {
		t.Errorf("with ENODEV: got %v, want ErrUnplugged", err)
	}
	if err := k.Leaks(); err != nil {
		t.Error(err)
	}
}

func TestSetControl(t *testing.T) {
	const exposure = `it has no effect while auto_exposure is "Aperture Priority Mode"; ` +
		`set auto_exposure to "Manual Mode" first`
	for _, x := range []struct {
		name, value string
		want        int32
		kind        error // nil: no error
		message     string
	}{
		{"brightness", "-64", -64, nil, ""},
		{"Brightness", " 0x10 ", 16, nil, ""},
		{"brightness", "65", 10, v4l2.ErrBadValue, "control brightness=65: out of range: -64 to 64"},
		{"brightness", "99999999999999999999", 10, v4l2.ErrBadValue, "out of range: -64 to 64"},
		{"brightness", "much", 10, v4l2.ErrBadValue, "expected a number from -64 to 64"},
		{"brightness", "", 10, v4l2.ErrBadValue, "expected a number"},
		{"power_line_frequency", "50hz", 1, nil, ""},
		{"power line frequency", "50_Hz", 1, nil, ""},
		{"power_line_frequency", "0", 0, nil, ""},
		{"power_line_frequency", "70hz", 2, v4l2.ErrBadValue, "expected one of: Disabled, 50 Hz, 60 Hz"},
		{"auto_exposure", "2", 3, v4l2.ErrBadValue, "expected one of: Manual Mode, Aperture"},
		{"auto_exposure", "manual mode", 1, nil, ""},
		{"exposure_time_absolute", "300", 156, v4l2.ErrInactive, exposure},
		{"exposure_dynamic_framerate", "on", 1, nil, ""},
		{"exposure_dynamic_framerate", "TRUE", 1, nil, ""},
		{"exposure_dynamic_framerate", "off", 0, nil, ""},
		{"exposure_dynamic_framerate", "2", 0, v4l2.ErrBadValue, "expected on or off"},
		{"link_frequency", "0", 0, nil, ""},
		{"link_frequency", "222000000", 0, nil, ""},
		{"push", "on", 1, nil, ""},
		{"push", "off", 0, v4l2.ErrBadValue, "expected on"},
		{"pixel_rate", "1", 1 << 29, v4l2.ErrInactive, "read-only"},
		{"long", "-5", -5, nil, ""},
		{"bits", "0xfffffffd", -3, nil, ""},
		{"bits", "-1", -2, v4l2.ErrBadValue, "out of range: 0 to 4294967295"},
		{"words", "1", 0, v4l2.ErrBadValue, "only numeric"},
		{"matrix", "1", 0, v4l2.ErrBadValue, "only numeric"},
		{"fixed", "1", 0, v4l2.ErrInactive, "while the camera streams"},
	} {
		t.Run(x.name+"="+x.value, func(t *testing.T) {
			k := v4l2test.New()
			cam := k.Plug(v4l2test.Device{Controls: allControls})
			for _, old := range []bool{false, true} {
				cam.Script(func(f *v4l2test.Faults) { f.NoInactive = old })
				err := v4l2.SetControl(k, "auto", x.name, x.value)
				if !errors.Is(err, x.kind) {
					t.Fatalf("got %v, want %v", err, x.kind)
				}
				if err != nil && !strings.Contains(err.Error(), x.message) {
					t.Errorf("got %q, want it to contain %q", err, x.message)
				}
				if got := cam.Control(strings.ToLower(strings.ReplaceAll(x.name, " ", "_"))); got != x.want {
					t.Errorf("got value %d, want %d", got, x.want)
				}
			}
			if err := k.Leaks(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSetControl_errors(t *testing.T) {
	for _, x := range []struct {
		name    string
		control string
		faults  v4l2test.Faults
		kind    error
		message string
	}{
		{"EPIPE", "brightness", v4l2test.Faults{SetControl: unix.EPIPE}, v4l2.ErrFailed, "rejected the request"},
		{"ENODEV", "brightness", v4l2test.Faults{SetControl: unix.ENODEV}, v4l2.ErrUnplugged, "unplugged or crashed"},
		{"ERANGE", "brightness", v4l2test.Faults{SetControl: unix.ERANGE}, v4l2.ErrBadValue, "rejected this value"},
		{"EBUSY", "brightness", v4l2test.Faults{SetControl: unix.EBUSY}, v4l2.ErrInactive, "streams"},
		{"EACCES", "brightness", v4l2test.Faults{SetControl: unix.EACCES}, v4l2.ErrInactive, "no effect"},
		{"EACCES at open", "brightness", v4l2test.Faults{Open: unix.EACCES}, v4l2.ErrPermission, "group"},
		{"unknown control", "brightnes", v4l2test.Faults{},
			v4l2.ErrNoControl, "it has: auto_exposure, bits, brightness, exposure_dynamic_framerate"},
	} {
		t.Run(x.name, func(t *testing.T) {
			k := v4l2test.New()
			k.Plug(v4l2test.Device{Controls: allControls}).Script(func(f *v4l2test.Faults) { *f = x.faults })
			err := v4l2.SetControl(k, "/dev/video0", x.control, "1")
			if !errors.Is(err, x.kind) || !strings.Contains(err.Error(), x.message) {
				t.Errorf("got %v, want %v with %q", err, x.kind, x.message)
			}
			if !strings.HasPrefix(err.Error(), "/dev/video0: ") {
				t.Errorf("got %q, want it to start with the device", err)
			}
			if e := x.faults.SetControl; e != nil && !errors.Is(err, e) {
				t.Errorf("got %v, want it to wrap %v", err, e)
			}
			if err := k.Leaks(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("no controls", func(t *testing.T) {
		k := v4l2test.New()
		k.Plug(v4l2test.Device{Controls: []v4l2test.Control{}})
		err := v4l2.SetControl(k, "auto", "gain", "1")
		if !errors.Is(err, v4l2.ErrNoControl) || !strings.Contains(err.Error(), "no controls") {
			t.Errorf("got %v, want ErrNoControl", err)
		}
	})
}

// A control of Config that cannot be set is a warning. The camera streams
// nevertheless.
func TestOpen_controls(t *testing.T) {
	for _, x := range []struct {
		name  string
		set   map[string]string
		want  map[string]int32
		warns []string
	}{
		{"menu and number", map[string]string{"power_line_frequency": "50hz", "brightness": "5"},
			map[string]int32{"power_line_frequency": 1, "brightness": 5}, nil},
		{"switches before numbers", map[string]string{"exposure_time_absolute": "300", "auto_exposure": "manual mode"},
			map[string]int32{"exposure_time_absolute": 300, "auto_exposure": 1}, nil},
		{"refused by the camera", map[string]string{"exposure_time_absolute": "300", "brightness": "1"},
			map[string]int32{"exposure_time_absolute": 156, "brightness": 1},
			[]string{"exposure_time_absolute=300: it has no effect while"}},
		{"unknown", map[string]string{"brightnes": "1"}, nil,
			[]string{"no such control; it has: auto_exposure, bits, brightness"}},
		{"out of range", map[string]string{"brightness": "256"}, map[string]int32{"brightness": 10},
			[]string{"out of range: -64 to 64"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			k := v4l2test.New()
			cam := k.Plug(v4l2test.Device{Controls: allControls})
			c, err := v4l2.Open(v4l2.Config{Kernel: k, Device: "auto", Controls: x.set})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for name, want := range x.want {
				if got := cam.Control(name); got != want {
					t.Errorf("%s: got %d, want %d", name, got, want)
				}
			}
			wantWarnings(t, c, x.warns)
		})
	}
}

// Values kept for a camera are set on that camera only, where Controls has
// none. One that the camera lacks is no news at each open.
func TestOpen_controlsOf(t *testing.T) {
	for id, x := range map[string]struct{ brightness, exposure int32 }{"good": {7, 1}, "": {10, 1}} {
		k := v4l2test.New()
		cam := k.Plug(v4l2test.Device{Controls: allControls, ID: id})
		c, err := v4l2.Open(v4l2.Config{Kernel: k, Device: "/dev/video0",
			Controls: map[string]string{"auto_exposure": "1"},
			ControlsOf: map[string]map[string]string{"/dev/v4l/by-id/good": {
				"brightness": "7", "auto_exposure": "3", "shine": "1",
			}}})
		if err != nil {
			t.Fatal(err)
		}
		if b, e := cam.Control("brightness"), cam.Control("auto_exposure"); b != x.brightness || e != x.exposure {
			t.Errorf("%q: got brightness %d and auto_exposure %d, want %d and %d", id, b, e, x.brightness, x.exposure)
		}
		wantWarnings(t, c, nil)
		c.Close()
	}
}

func TestLowRateReason(t *testing.T) {
	inBubble(t, func(t *testing.T, k *v4l2test.Kernel, cam *v4l2test.Camera) {
		c := mustOpen(t, v4l2.Config{Kernel: k})
		defer c.Close()
		for _, x := range []struct {
			name, value string
			slow        bool
		}{
			{"exposure_dynamic_framerate", "off", false},
			{"exposure_dynamic_framerate", "on", true},
			{"auto_exposure", "manual mode", false},
			{"auto_exposure", "3", true},
		} {
			if err := v4l2.SetControl(k, "/dev/video0", x.name, x.value); err != nil {
				t.Fatal(err)
			}
			got := c.LowRateReason()
			if strings.Contains(got, "exposure_dynamic_framerate is on") != x.slow || !x.slow && got != "" {
				t.Errorf("%s=%s: got %q, want a reason: %v", x.name, x.value, got, x.slow)
			}
		}
		cam.Unplug()
		if got := c.LowRateReason(); got != "" {
			t.Errorf("unplugged: got %q, want none", got)
		}
	})
}

// Open queries only the controls of Config, because a real camera takes
// milliseconds for each.
func TestOpen_controlQueries(t *testing.T) {
	for _, x := range []struct {
		name    string
		set     map[string]string
		queries int
	}{
		{"none", nil, 0},
		{"one", map[string]string{"power_line_frequency": "50hz"}, 2},
		{"three", map[string]string{
			"power_line_frequency": "50hz", "auto_exposure": "1", "exposure_time_absolute": "7",
		}, 6},
		// All controls, the end, and the control itself again.
		{"not a standard control", map[string]string{"link_frequency": "0"}, len(allControls) + 2},
	} {
		t.Run(x.name, func(t *testing.T) {
			k := v4l2test.New()
			k.Plug(v4l2test.Device{Controls: allControls})
			c, err := v4l2.Open(v4l2.Config{Kernel: k, Device: "auto", Controls: x.set})
			if err != nil {
				t.Fatal(err)
			}
			wantWarnings(t, c, nil)
			if n := k.Counts().Controls; n != x.queries {
				t.Errorf("got %d queries, want %d", n, x.queries)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Before Linux 5.18 the controls have other names, but the same ids.
func TestSetControl_oldNames(t *testing.T) {
	k := v4l2test.New()
	cam := k.Plug(v4l2test.Device{Controls: []v4l2test.Control{
		{ID: 0x009a0902, Name: "Exposure (Absolute)", Min: 1, Max: 5000, Value: 156},
		{ID: 0x009a0901, Name: "Exposure, Auto", Max: 3, Value: 3,
			Menu: map[int32]string{1: "Manual Mode", 3: "Aperture Priority Mode"}},
	}})
	err := v4l2.SetControl(k, "auto", "exposure_absolute", "9")
	const hint = `set exposure_auto to "Manual Mode" first`
	if !errors.Is(err, v4l2.ErrInactive) || !strings.Contains(err.Error(), hint) {
		t.Errorf("got %v, want ErrInactive with %q", err, hint)
	}
	for _, set := range [][2]string{{"exposure_auto", "manual_mode"}, {"exposure_absolute", "9"}} {
		if err := v4l2.SetControl(k, "auto", set[0], set[1]); err != nil {
			t.Error(err)
		}
	}
	if got := cam.Control("exposure_absolute"); got != 9 {
		t.Errorf("got %d, want 9", got)
	}
	err = v4l2.SetControl(k, "auto", "exposure_time_absolute", "9")
	const names = "it has: exposure_absolute, exposure_auto"
	if !errors.Is(err, v4l2.ErrNoControl) || !strings.Contains(err.Error(), names) {
		t.Errorf("got %v, want ErrNoControl with %q", err, names)
	}
}
