package v4l2_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"vchat/v4l2"
	"vchat/v4l2/v4l2test"
)

func TestFormats(t *testing.T) {
	h264 := v4l2.PixelFormat('H' | '2'<<8 | '6'<<16 | '4'<<24)
	offers := []v4l2test.Format{
		{FourCC: v4l2.YUYV, Sizes: [][2]int{{640, 480}, {320, 240}}},
		{FourCC: h264, Sizes: [][2]int{{1280, 720}}},
	}
	discrete := func(fps ...float64) []v4l2.FormatInfo {
		return []v4l2.FormatInfo{
			{Format: v4l2.YUYV, Description: "Format YUYV", Sizes: []v4l2.FrameSize{
				{Width: 640, Height: 480, FPS: fps}, {Width: 320, Height: 240, FPS: fps},
			}},
			{Format: h264, Description: "Format H264", Sizes: []v4l2.FrameSize{{Width: 1280, Height: 720, FPS: fps}}},
		}
	}
	sizeRange := v4l2.FrameSize{
		Width: 16, MaxWidth: 4096, StepWidth: 1, Height: 16, MaxHeight: 2304, StepHeight: 1, FPS: []float64{30, 15},
	}
	for _, x := range []struct {
		name   string
		rates  []int
		faults v4l2test.Faults
		want   []v4l2.FormatInfo
	}{
		{"discrete", []int{5, 30, 15, 30}, v4l2test.Faults{}, discrete(30, 15, 5)},
		{"no rates", []int{}, v4l2test.Faults{}, discrete()},
		{"range of rates", []int{30, 20, 10}, v4l2test.Faults{StepwiseRates: true}, discrete(30, 10)},
		{"rates fail", []int{30}, v4l2test.Faults{Rates: unix.EIO}, discrete()},
		{"formats never end", []int{30}, v4l2test.Faults{EndlessFormats: true}, discrete(30)},
		{"sizes never end", []int{30}, v4l2test.Faults{EndlessSizes: true}, discrete(30)},
		{"rates never end", []int{30}, v4l2test.Faults{EndlessRates: true}, discrete(30)},
		{"range of sizes", []int{30, 15}, v4l2test.Faults{ContinuousSizes: true}, []v4l2.FormatInfo{
			{Format: v4l2.YUYV, Description: "Format YUYV", Sizes: []v4l2.FrameSize{sizeRange}},
			{Format: h264, Description: "Format H264", Sizes: []v4l2.FrameSize{sizeRange}},
		}},
		{"in use by another program", []int{30}, v4l2test.Faults{Busy: "firefox (pid 42)"}, discrete(30)},
	} {
		t.Run(x.name, func(t *testing.T) {
			k := v4l2test.New()
			k.Plug(v4l2test.Device{Formats: offers, Rates: x.rates}).Script(func(f *v4l2test.Faults) { *f = x.faults })
			got, err := v4l2.Formats(k, "auto")
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(x.want, got); d != "" {
				t.Errorf("Formats (-want +got):\n%s", d)
			}
			if err := k.Leaks(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("no usable format", func(t *testing.T) {
		k := v4l2test.New()
		k.Plug(v4l2test.Device{Formats: offers[1:]})
		if got, err := v4l2.Formats(k, "auto"); err != nil || len(got) != 1 || got[0].Format != h264 {
			t.Errorf("got %v, %v; want H264", got, err)
		}
		if err := k.Leaks(); err != nil {
			t.Error(err)
		}
	})
	t.Run("no camera", func(t *testing.T) {
		if _, err := v4l2.Formats(v4l2test.New(), "auto"); !errors.Is(err, v4l2.ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
	})
}

// If the USB bus is full at every size, the error names a lower rate of this
// camera.
func TestOpen_noSpaceHint(t *testing.T) {
	for _, x := range []struct {
		name    string
		cfg     v4l2.Config
		message string
	}{
		{"size", v4l2.Config{Width: 1280, Height: 720}, "another port, or set a lower rate, 15 frames a second ("},
		{"rate", v4l2.Config{Width: 320, Height: 240, FPS: 30}, "set a lower rate, 15 frames a second ("},
		{"none", v4l2.Config{Width: 320, Height: 240, FPS: 15}, "plug the camera into another port ("},
	} {
		t.Run(x.name, func(t *testing.T) {
			k := v4l2test.New()
			k.Plug(v4l2test.Device{}).Script(func(f *v4l2test.Faults) { f.StreamOn = unix.ENOSPC })
			x.cfg.Kernel, x.cfg.Device = k, "auto"
			_, err := v4l2.Open(x.cfg)
			if !errors.Is(err, v4l2.ErrNoSpace) || !strings.Contains(err.Error(), x.message) {
				t.Errorf("got %v, want ErrNoSpace with %q", err, x.message)
			}
			if err := k.Leaks(); err != nil {
				t.Error(err)
			}
		})
	}
}

// The number of calls is bounded, even if every format has very many sizes.
func TestFormats_huge(t *testing.T) {
	var sizes [][2]int
	for i := range 1000 {
		sizes = append(sizes, [2]int{16 + 2*i, 16})
	}
	var offers []v4l2test.Format
	for i := range 100 {
		offers = append(offers, v4l2test.Format{FourCC: v4l2.PixelFormat('A' + i), Sizes: sizes})
	}
	rates := []int{}
	for i := range 100 {
		rates = append(rates, 200-i)
	}
	k := v4l2test.New()
	k.Plug(v4l2test.Device{Formats: offers, Rates: rates})
	all, err := v4l2.Formats(k, "/dev/video0")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range all {
		for _, s := range f.Sizes {
			n += 1 + len(s.FPS)
		}
	}
	if len(all) == 0 || len(all) > 64 || n > 4096+64 {
		t.Errorf("got %d formats, %d sizes and rates; want at most 64 and about 4096", len(all), n)
	}
}
