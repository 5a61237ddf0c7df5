package v4l2_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"vchat/v4l2"
	"vchat/v4l2/v4l2test"
)

func TestNegotiate(t *testing.T) {
	two := []v4l2test.Format{
		{FourCC: v4l2.MJPEG, Sizes: [][2]int{{640, 480}, {1280, 720}, {1280, 960}}},
		{FourCC: v4l2.YUYV, Sizes: [][2]int{{640, 480}}},
	}
	mjpeg := func(w, h int, fps float64) v4l2.Mode {
		return v4l2.Mode{Format: v4l2.MJPEG, Width: w, Height: h, SizeImage: 2 * w * h, FPS: fps}
	}
	yuyv := func(w, h int, fps float64) v4l2.Mode {
		return v4l2.Mode{Format: v4l2.YUYV, Width: w, Height: h, Stride: 2 * w, SizeImage: 2 * w * h, FPS: fps}
	}
	for _, x := range []struct {
		name   string
		device v4l2test.Device
		faults v4l2test.Faults
		cfg    v4l2.Config
		want   v4l2.Mode
		warns  []string // each in its own warning, in order
	}{
		{"as wished", v4l2test.Device{Formats: two}, v4l2test.Faults{}, v4l2.Config{Width: 1280, Height: 720, FPS: 15}, mjpeg(1280, 720, 15), nil},
		{"driver's choice", v4l2test.Device{Formats: two}, v4l2test.Faults{}, v4l2.Config{}, mjpeg(640, 480, 30), nil},
		{"YUYV when wished", v4l2test.Device{Formats: two}, v4l2test.Faults{}, v4l2.Config{Format: v4l2.YUYV, Width: 640, Height: 480, FPS: 30}, yuyv(640, 480, 30), nil},
		{"YUYV when there is no other", v4l2test.Device{Formats: yuyvOnly}, v4l2test.Faults{}, v4l2.Config{}, yuyv(640, 480, 30), nil},
		{"JPEG is MJPEG", v4l2test.Device{Formats: jpegOnly}, v4l2test.Faults{}, v4l2.Config{Format: v4l2.MJPEG}, mjpeg(640, 480, 30), nil},
		{"driver's nearest size", v4l2test.Device{Formats: two}, v4l2test.Faults{}, v4l2.Config{Width: 1920, Height: 1080}, mjpeg(1280, 960, 30),
			[]string{"no 1920x1080 in MJPG; 1280x960"}},
		{"nearest though the driver falls back", v4l2test.Device{Formats: two}, v4l2test.Faults{SizeIfUnknown: [2]int{640, 480}},
			v4l2.Config{Width: 1280, Height: 800}, mjpeg(1280, 720, 30), []string{"no 1280x800 in MJPG; 1280x720"}},
		{"driver insists on a size", v4l2test.Device{Formats: two}, v4l2test.Faults{Size: [2]int{160, 120}},
			v4l2.Config{Width: 1280, Height: 720}, mjpeg(160, 120, 30), []string{"160x120 is what comes nearest"}},
		{"continuous sizes are zeros in webcam", v4l2test.Device{Formats: two}, v4l2test.Faults{ContinuousSizes: true, Size: [2]int{1024, 768}},
			v4l2.Config{Width: 1000, Height: 700}, mjpeg(1024, 768, 30), []string{"1024x768"}},
		{"too slow", v4l2test.Device{Formats: two, Rates: []int{15, 10}}, v4l2test.Faults{}, v4l2.Config{FPS: 30}, mjpeg(640, 480, 15),
			[]string{"gives 15 pictures a second, not 30; its most at 640x480 MJPG is 15"}},
		{"stepwise rates panic in webcam", v4l2test.Device{Formats: two, Rates: []int{10}}, v4l2test.Faults{StepwiseRates: true}, v4l2.Config{FPS: 30},
			mjpeg(640, 480, 10), []string{"gives 10 pictures a second, not 30"}},
		{"no rates", v4l2test.Device{Formats: two, Rates: []int{}}, v4l2test.Faults{}, v4l2.Config{FPS: 30}, mjpeg(640, 480, 0), nil},
		{"fewer buffers", v4l2test.Device{Formats: two}, v4l2test.Faults{MaxBuffers: 2}, v4l2.Config{}, mjpeg(640, 480, 30), nil},
	} {
		t.Run(x.name, func(t *testing.T) {
			k := v4l2test.New()
			k.Plug(x.device).Script(func(f *v4l2test.Faults) { *f = x.faults })
			x.cfg.Kernel, x.cfg.Device = k, "auto"
			c, err := v4l2.Open(x.cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if d := cmp.Diff(x.want, c.Mode()); d != "" {
				t.Errorf("mode (-want +got):\n%s", d)
			}
			wantWarnings(t, c, x.warns)
			oneMore(t, c)
		})
	}
}

func wantWarnings(t *testing.T, c *v4l2.Camera, want []string) {
	t.Helper()
	got := c.Warnings()
	if len(got) != len(want) {
		t.Fatalf("warnings %v, want %q", got, want)
	}
	for i := range want {
		if !strings.Contains(got[i].Error(), want[i]) {
			t.Errorf("%q does not say %q", got[i], want[i])
		}
	}
}

func TestControls(t *testing.T) {
	for _, x := range []struct {
		name  string
		set   map[string]string
		want  map[string]int32
		warns []string
	}{
		{"menu by name", map[string]string{"power_line_frequency": "50hz"}, map[string]int32{"power_line_frequency": 1}, nil},
		{"menu by number", map[string]string{"power_line_frequency": "0"}, map[string]int32{"power_line_frequency": 0}, nil},
		{"number", map[string]string{"brightness": "0x10"}, map[string]int32{"brightness": 16}, nil},
		{"switch", map[string]string{"exposure_dynamic_framerate": "on"}, map[string]int32{"exposure_dynamic_framerate": 1}, nil},
		{"switches before numbers", map[string]string{"exposure_time_absolute": "300", "auto_exposure": "manual mode"},
			map[string]int32{"exposure_time_absolute": 300, "auto_exposure": 1}, nil},
		{"refused by the camera", map[string]string{"exposure_time_absolute": "300", "brightness": "1"},
			map[string]int32{"exposure_time_absolute": 156, "brightness": 1}, []string{"exposure_time_absolute=300: permission denied"}},
		{"unknown", map[string]string{"brightnes": "1"}, nil, []string{"no such control; it has: auto_exposure, brightness, exposure_dynamic_framerate"}},
		{"no number", map[string]string{"brightness": "much"}, map[string]int32{"brightness": 128}, []string{"expected a number from 0 to 255"}},
		{"out of range", map[string]string{"brightness": "256"}, map[string]int32{"brightness": 128}, []string{"out of range: 0 to 255"}},
		{"not in the menu", map[string]string{"power_line_frequency": "70hz"}, map[string]int32{"power_line_frequency": 2}, []string{"expected one of: Disabled, 50 Hz, 60 Hz"}},
		{"no entry under that number", map[string]string{"auto_exposure": "2"}, map[string]int32{"auto_exposure": 3}, []string{"auto_exposure=2"}},
		{"no switch", map[string]string{"exposure_dynamic_framerate": "2"}, map[string]int32{"exposure_dynamic_framerate": 0}, []string{"expected on or off"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			k := v4l2test.New()
			cam := k.Plug(v4l2test.Device{})
			c, err := v4l2.Open(v4l2.Config{Kernel: k, Device: "auto", Controls: x.set})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for name, want := range x.want {
				if got := cam.Control(name); got != want {
					t.Errorf("%s is %d, want %d", name, got, want)
				}
			}
			wantWarnings(t, c, x.warns)
		})
	}
}

// The camera's errno reaches whoever reads the warning.
func TestControlWarningKeepsErrno(t *testing.T) {
	k := v4l2test.New()
	k.Plug(v4l2test.Device{}).Script(func(f *v4l2test.Faults) { f.SetControl = unix.EPIPE })
	c, err := v4l2.Open(v4l2.Config{Kernel: k, Device: "auto", Controls: map[string]string{"brightness": "1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	wantWarnings(t, c, []string{unix.EPIPE.Error()})
}
