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
	raw := []v4l2test.Format{
		{FourCC: v4l2.GREY, Sizes: [][2]int{{340, 340}}, Padding: 44},
		{FourCC: v4l2.NV12, Sizes: [][2]int{{324, 181}}},
		{FourCC: v4l2.YUYV, Sizes: [][2]int{{322, 180}}, Padding: 60},
	}
	of := func(f v4l2.PixelFormat, w, h, stride int) v4l2.Mode {
		rows := h
		switch f {
		case v4l2.NV12, v4l2.YV12:
			rows += (h + 1) / 2
		case v4l2.NV16:
			rows *= 2
		}
		return v4l2.Mode{Format: f, Width: w, Height: h, Stride: stride, SizeImage: rows * stride, FPS: 30}
	}
	one := func(f v4l2.PixelFormat) []v4l2test.Format {
		return []v4l2test.Format{{FourCC: f, Sizes: [][2]int{{322, 181}}}}
	}
	for _, x := range []struct {
		name   string
		device v4l2test.Device
		faults v4l2test.Faults
		cfg    v4l2.Config
		want   v4l2.Mode
		warns  []string // part of each warning, in order
	}{
		{"requested mode", v4l2test.Device{Formats: two}, v4l2test.Faults{},
			v4l2.Config{Width: 1280, Height: 720, FPS: 15}, mjpeg(1280, 720, 15), nil},
		{"driver's choice", v4l2test.Device{Formats: two}, v4l2test.Faults{}, v4l2.Config{}, mjpeg(640, 480, 30), nil},
		{"YUYV requested", v4l2test.Device{Formats: two}, v4l2test.Faults{},
			v4l2.Config{Format: v4l2.YUYV, Width: 640, Height: 480, FPS: 30}, yuyv(640, 480, 30), nil},
		{"YUYV only", v4l2test.Device{Formats: yuyvOnly}, v4l2test.Faults{}, v4l2.Config{}, yuyv(640, 480, 30), nil},
		{"NV12 requested", v4l2test.Device{Formats: raw}, v4l2test.Faults{},
			v4l2.Config{Format: v4l2.NV12}, of(v4l2.NV12, 324, 181, 324), nil},
		{"GREY requested", v4l2test.Device{Formats: raw}, v4l2test.Faults{},
			v4l2.Config{Format: v4l2.GREY}, of(v4l2.GREY, 340, 340, 384), nil},
		{"YUYV before NV12 and GREY", v4l2test.Device{Formats: raw}, v4l2test.Faults{},
			v4l2.Config{}, of(v4l2.YUYV, 322, 180, 704), nil},
		{"NV12 before GREY", v4l2test.Device{Formats: raw[:2]}, v4l2test.Faults{},
			v4l2.Config{}, of(v4l2.NV12, 324, 181, 324), nil},
		{"MJPEG instead of YUYV", v4l2test.Device{Formats: mjpegOnly}, v4l2test.Faults{},
			v4l2.Config{Format: v4l2.YUYV}, mjpeg(640, 480, 30), nil},
		{"YUYV instead of MJPEG", v4l2test.Device{Formats: yuyvOnly}, v4l2test.Faults{},
			v4l2.Config{Format: v4l2.MJPEG}, yuyv(640, 480, 30), nil},
		{"bytesperline too small", v4l2test.Device{Formats: yuyvOnly}, v4l2test.Faults{Stride: 640},
			v4l2.Config{}, yuyv(640, 480, 30), nil},
		{"bytesperline of a larger frame", v4l2test.Device{Formats: yuyvOnly}, v4l2test.Faults{Stride: 2560},
			v4l2.Config{}, yuyv(640, 480, 30), nil},
		{"bytesperline of MJPEG", v4l2test.Device{Formats: mjpegOnly}, v4l2test.Faults{Stride: 1280},
			v4l2.Config{}, mjpeg(640, 480, 30), nil},
		{"JPEG is MJPEG", v4l2test.Device{Formats: jpegOnly}, v4l2test.Faults{},
			v4l2.Config{Format: v4l2.MJPEG}, mjpeg(640, 480, 30), nil},
		{"driver sets the nearest size", v4l2test.Device{Formats: two}, v4l2test.Faults{},
			v4l2.Config{Width: 1920, Height: 1080}, mjpeg(1280, 960, 30),
			[]string{"no 1920x1080 in MJPG; using the nearest size, 1280x960"}},
		{"driver sets a distant size", v4l2test.Device{Formats: two}, v4l2test.Faults{SizeIfUnknown: [2]int{640, 480}},
			v4l2.Config{Width: 1280, Height: 800}, mjpeg(1280, 720, 30),
			[]string{"no 1280x800 in MJPG; using the nearest size, 1280x720"}},
		{"driver sets one size only", v4l2test.Device{Formats: two}, v4l2test.Faults{Size: [2]int{160, 120}},
			v4l2.Config{Width: 1280, Height: 720}, mjpeg(160, 120, 30), []string{"using the nearest size, 160x120"}},
		{"continuous sizes, zeros in webcam", v4l2test.Device{Formats: two},
			v4l2test.Faults{ContinuousSizes: true, Size: [2]int{1024, 768}},
			v4l2.Config{Width: 1000, Height: 700}, mjpeg(1024, 768, 30), []string{"1024x768"}},
		{"low rate", v4l2test.Device{Formats: two, Rates: []int{15, 10}}, v4l2test.Faults{},
			v4l2.Config{FPS: 30}, mjpeg(640, 480, 15),
			[]string{"gives 15 frames a second, not 30; its maximum at 640x480 MJPG is 15"}},
		{"stepwise rates", v4l2test.Device{Formats: two, Rates: []int{10, 5}}, v4l2test.Faults{StepwiseRates: true},
			v4l2.Config{FPS: 30}, mjpeg(640, 480, 10),
			[]string{"gives 10 frames a second, not 30; its maximum at 640x480 MJPG is 10"}},
		{"low rate in dim light", v4l2test.Device{Formats: two, Rates: []int{15}}, v4l2test.Faults{},
			v4l2.Config{FPS: 30, Controls: map[string]string{"exposure_dynamic_framerate": "on"}}, mjpeg(640, 480, 15),
			[]string{"is 15; exposure_dynamic_framerate is on, so automatic exposure lowers the rate in dim light"}},
		{"no rates", v4l2test.Device{Formats: two, Rates: []int{}}, v4l2test.Faults{},
			v4l2.Config{FPS: 30}, mjpeg(640, 480, 0), nil},
		{"rate cannot be set", v4l2test.Device{Formats: two}, v4l2test.Faults{SetParm: unix.EIO},
			v4l2.Config{FPS: 15}, mjpeg(640, 480, 30),
			[]string{"rejects 15 frames a second; using its default rate (S_PARM: "}},
		{"rate cannot be set, broken pipe", v4l2test.Device{Formats: two}, v4l2test.Faults{SetParm: unix.EPIPE},
			v4l2.Config{FPS: 30}, mjpeg(640, 480, 30), []string{"using its default rate (S_PARM: broken pipe)"}},
		{"rate cannot be set, in use", v4l2test.Device{Formats: two}, v4l2test.Faults{SetParm: unix.EBUSY},
			v4l2.Config{FPS: 30}, mjpeg(640, 480, 30), []string{"using its default rate"}},
		{"rate unknown", v4l2test.Device{Formats: two}, v4l2test.Faults{GetParm: unix.EIO},
			v4l2.Config{FPS: 30}, mjpeg(640, 480, 0), nil},
		{"rate invalid", v4l2test.Device{Formats: two}, v4l2test.Faults{ClaimedInterval: [2]uint32{1, 0}},
			v4l2.Config{FPS: 30}, mjpeg(640, 480, 0), nil},
		{"rates cannot be listed", v4l2test.Device{Formats: two}, v4l2test.Faults{
			Rates: unix.EIO, ClaimedInterval: [2]uint32{2, 15}}, v4l2.Config{FPS: 30}, mjpeg(640, 480, 7.5),
			[]string{"gives 7.5 frames a second, not 30; its maximum at 640x480 MJPG is 7.5"}},
		{"formats never end", v4l2test.Device{Formats: two}, v4l2test.Faults{EndlessFormats: true},
			v4l2.Config{Width: 1280, Height: 720}, mjpeg(1280, 720, 30), nil},
		{"sizes never end", v4l2test.Device{Formats: two}, v4l2test.Faults{
			EndlessSizes: true, SizeIfUnknown: [2]int{640, 480}},
			v4l2.Config{Width: 1280, Height: 800}, mjpeg(1280, 720, 30), []string{"using the nearest size, 1280x720"}},
		{"a size does not start", v4l2test.Device{Formats: two}, v4l2test.Faults{
			StreamOn: unix.EIO, StreamOnAbove: 1280 * 720}, v4l2.Config{Width: 1280, Height: 960}, mjpeg(1280, 720, 30),
			[]string{"cannot stream 1280x960; using 1280x720 (input/output error)"}},
		{"two sizes do not start", v4l2test.Device{Formats: two}, v4l2test.Faults{
			StreamOn: unix.ENOSPC, StreamOnAbove: 640 * 480}, v4l2.Config{Width: 1280, Height: 960, FPS: 15},
			mjpeg(640, 480, 15), []string{"cannot stream 1280x960; using 640x480 (no space left on device)"}},
		{"a size of a range does not start", v4l2test.Device{Formats: two}, v4l2test.Faults{
			ContinuousSizes: true, StreamOn: unix.ENOSPC, StreamOnAbove: 640 * 480},
			v4l2.Config{Width: 1280, Height: 960}, mjpeg(640, 480, 30),
			[]string{"cannot stream 1280x960; using 640x480"}},
		{"UYVY only", v4l2test.Device{Formats: one(v4l2.UYVY)}, v4l2test.Faults{},
			v4l2.Config{}, of(v4l2.UYVY, 322, 181, 644), nil},
		{"NV16 only", v4l2test.Device{Formats: one(v4l2.NV16)}, v4l2test.Faults{},
			v4l2.Config{}, of(v4l2.NV16, 322, 181, 322), nil},
		{"YV12 only", v4l2test.Device{Formats: one(v4l2.YV12)}, v4l2test.Faults{},
			v4l2.Config{}, of(v4l2.YV12, 322, 181, 322), nil},
		{"RGB24 only", v4l2test.Device{Formats: one(v4l2.RGB24)}, v4l2test.Faults{},
			v4l2.Config{}, of(v4l2.RGB24, 322, 181, 966), nil},
		{"fewer buffers", v4l2test.Device{Formats: two}, v4l2test.Faults{MaxBuffers: 2},
			v4l2.Config{}, mjpeg(640, 480, 30), nil},
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
			nextRelease(t, c)
		})
	}
}

func wantWarnings(t *testing.T, c *v4l2.Camera, want []string) {
	t.Helper()
	got := c.Warnings()
	if len(got) != len(want) {
		t.Fatalf("got warnings %v, want %q", got, want)
	}
	for i := range want {
		if !strings.Contains(got[i].Error(), want[i]) {
			t.Errorf("got warning %q, want it to contain %q", got[i], want[i])
		}
	}
}
