package camera

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"strings"
	"testing"

	"vchat/daemon/daemontest/faketime"
	"vchat/daemon/frame"
	"vchat/v4l2"
	"vchat/v4l2/v4l2test"
)

// everyFormat is a camera with all formats. Its rows have different padding.
var everyFormat = v4l2test.Device{Formats: []v4l2test.Format{
	{FourCC: v4l2.MJPEG, Sizes: [][2]int{{320, 240}}},
	{FourCC: v4l2.YUYV, Sizes: [][2]int{{320, 240}}, Padding: 64},
	{FourCC: v4l2.NV12, Sizes: [][2]int{{320, 240}}, Padding: 32},
	{FourCC: v4l2.GREY, Sizes: [][2]int{{320, 240}}, Padding: 4},
}}

func TestRawFrames(t *testing.T) {
	for _, c := range []struct {
		format, raw string
		want        frame.Format
	}{
		{"yuyv", "jpeg", frame.JPEG}, {"yuyv", "", frame.JPEG}, {"yuyv", "lz4", frame.YUYV},
		{"nv12", "jpeg", frame.JPEG}, {"nv12", "lz4", frame.YUYV},
		{"grey", "jpeg", frame.JPEG}, {"grey", "lz4", frame.YUYV},
	} {
		t.Run(c.format+"/"+c.raw, func(t *testing.T) {
			faketime.Test(t, func(t *testing.T) {
				kernel := v4l2test.New()
				kernel.Plug(everyFormat)
				cfg := small
				cfg.Format, cfg.Raw = c.format, c.raw
				r := run(t, kernel, cfg)
				defer r.stop()
				rd := r.Hub().Subscribe()
				defer rd.Close()
				for range 10 {
					p := r.frame(rd)
					if p.format != c.want || p.width != 320 || p.height != 240 {
						t.Fatalf("got %v of %dx%d, want %v of 320x240", p.format, p.width, p.height, c.want)
					}
					if c.want == frame.JPEG {
						checkJPEG(t, p.data, 320, 240)
					} else if len(p.data) != 2*320*240 || bytes.Count(p.data, []byte{0}) > 16 ||
						bytes.Count(p.data, []byte{128}) < len(p.data)-32 {
						t.Fatalf("got %d bytes with padding in them, want %d without", len(p.data), 2*320*240)
					}
				}
				if s := r.Status(); s.Format != c.format || len(s.Warnings) > 0 {
					t.Errorf("got status %+v, want format %s and no warnings", s, c.format)
				}
			})
		})
	}
}

// gradient returns a buffer with padded rows, in which each sample differs from
// its neighbours.
func gradient(f v4l2.PixelFormat, w, h, stride int) (m v4l2.Mode, b []byte) {
	m = v4l2.Mode{Format: f, Width: w, Height: h, Stride: stride}
	b = make([]byte, m.Bytes())
	for i := range b {
		b[i] = byte(16 + 200*(i%stride)/stride + 20*(i/stride%2))
	}
	return m, b
}

// sampleAt returns the samples of pixel x, y in a buffer of format m.
func sampleAt(m v4l2.Mode, b []byte, x, y int) (luma, cb, cr byte) {
	switch m.Format {
	case v4l2.YUYV:
		p := b[y*m.Stride+x/2*4:]
		return p[x%2*2], p[1], p[3]
	case v4l2.NV12:
		c := b[m.Stride*(m.Height+y/2)+x/2*2:]
		return b[y*m.Stride+x], c[0], c[1]
	}
	line, chroma := y, b[min(m.Stride*m.Height, len(b)):]
	if f := m.Format; f == v4l2.NV21 || f == v4l2.YU12 || f == v4l2.YV12 {
		line = y / 2
	}
	rows := m.Height // of a chroma plane
	if line != y || m.Format == v4l2.YU12 || m.Format == v4l2.YV12 {
		rows = (m.Height + 1) / 2
	}
	half := (m.Stride + 1) / 2
	switch m.Format {
	case v4l2.UYVY, v4l2.VYUY:
		p := b[y*m.Stride+x/2*4:]
		cb, cr = p[0], p[2]
		if m.Format == v4l2.VYUY {
			cb, cr = cr, cb
		}
		return p[x%2*2+1], cb, cr
	case v4l2.YVYU:
		p := b[y*m.Stride+x/2*4:]
		return p[x%2*2], p[3], p[1]
	case v4l2.NV16:
		return b[y*m.Stride+x], chroma[line*m.Stride+x/2*2], chroma[line*m.Stride+x/2*2+1]
	case v4l2.NV21, v4l2.NV61:
		return b[y*m.Stride+x], chroma[line*m.Stride+x/2*2+1], chroma[line*m.Stride+x/2*2]
	case v4l2.YU12, v4l2.YUV422P:
		return b[y*m.Stride+x], chroma[line*half+x/2], chroma[(rows+line)*half+x/2]
	case v4l2.YV12:
		return b[y*m.Stride+x], chroma[(rows+line)*half+x/2], chroma[line*half+x/2]
	}
	return b[y*m.Stride+x], 128, 128
}

// rawFormats are all raw formats that stay raw without loss.
var rawFormats = []v4l2.PixelFormat{
	v4l2.YUYV, v4l2.UYVY, v4l2.YVYU, v4l2.VYUY, v4l2.NV12, v4l2.NV21, v4l2.NV16, v4l2.NV61,
	v4l2.YU12, v4l2.YV12, v4l2.YUV422P, v4l2.GREY,
}

func TestRaw_lossless(t *testing.T) {
	for _, f := range rawFormats {
		for _, size := range [][2]int{{32, 16}, {34, 17}, {33, 5}, {2, 1}, {3, 2}} {
			w, h := size[0], size[1]
			m, b := gradient(f, w, h, 2*w+5)
			v := &v4l2Source{sourceEnv: sourceEnv{pool: frame.NewPool(1)}, mode: m}
			var err error
			if v.raw, err = newRawConverter(m, "lz4"); err != nil {
				t.Fatal(err)
			}
			got, defect := v.take(v4l2.Buffer{Data: b})
			if got == nil || got.Format != frame.YUYV || got.Width != w&^1 || got.Height != h ||
				len(got.Data) != 2*(w&^1)*h {
				t.Errorf("%v of %dx%d: got %+v, %s; want a YUYV frame", f, w, h, got, defectNames[defect])
				continue
			}
			for y := range h {
				for x := range got.Width {
					luma, cb, cr := sampleAt(m, b, x, y)
					p := got.Data[2*got.Width*y+x/2*4:]
					if p[x%2*2] != luma || p[1] != cb || p[3] != cr {
						t.Fatalf("%v of %dx%d at %d,%d: got %v, want %d %d %d", f, w, h, x, y, p[:4], luma, cb, cr)
					}
				}
			}
		}
	}
}

func TestRaw_jpegSubsampling(t *testing.T) {
	for _, c := range []struct {
		format v4l2.PixelFormat
		width  int // of a frame of 33
		want   string
	}{
		{v4l2.YUYV, 32, "YCbCrSubsampleRatio422"}, {v4l2.UYVY, 32, "YCbCrSubsampleRatio422"},
		{v4l2.NV16, 32, "YCbCrSubsampleRatio422"}, {v4l2.YUV422P, 32, "YCbCrSubsampleRatio422"},
		{v4l2.NV12, 32, "YCbCrSubsampleRatio420"}, {v4l2.NV21, 32, "YCbCrSubsampleRatio420"},
		{v4l2.YU12, 32, "YCbCrSubsampleRatio420"}, {v4l2.YV12, 32, "YCbCrSubsampleRatio420"},
		{v4l2.BGR24, 32, "YCbCrSubsampleRatio420"}, {v4l2.GREY, 33, "grey"},
	} {
		m, b := gradient(c.format, 33, 17, 112)
		r, err := newRawConverter(m, "jpeg")
		if err != nil {
			t.Fatal(err)
		}
		f, defect := r.convert(frame.NewPool(1), b)
		if f == nil {
			t.Errorf("%v: got no frame: %s", c.format, defectNames[defect])
			continue
		}
		checkJPEG(t, f.Data, c.width, 17)
		img, err := jpeg.Decode(bytes.NewReader(f.Data))
		if err != nil {
			t.Fatal(err)
		}
		got := "grey"
		if p, ok := img.(*image.YCbCr); ok {
			got = p.SubsampleRatio.String()
		}
		if got != c.want || f.Width != c.width || f.Height != 17 || f.Format != frame.JPEG {
			t.Errorf("%v: got %s, %v of %dx%d; want %s, JPEG of %dx17",
				c.format, got, f.Format, f.Width, f.Height, c.want, c.width)
		}
	}
}

// Each component of a JPEG frame comes from the right place, in every format.
func TestRaw_jpegColors(t *testing.T) {
	for _, f := range rawFormats {
		m := v4l2.Mode{Format: f, Width: 48, Height: 32, Stride: 112}
		b := make([]byte, m.Bytes())
		if f == v4l2.GREY {
			continue
		}
		luma, cb, cr, halfRows := samples(m, b)
		for y := range m.Height {
			for x := range m.Width {
				luma.Data[y*luma.Stride+x*luma.Step] = 90
				if y%2 == 0 || !halfRows {
					line := y
					if halfRows {
						line = y / 2
					}
					cb.Data[line*cb.Stride+x/2*cb.Step], cr.Data[line*cr.Stride+x/2*cr.Step] = 60, 200
				}
			}
		}
		if gotY, gotCb, gotCr := sampleAt(m, b, 47, 31); gotY != 90 || gotCb != 60 || gotCr != 200 {
			t.Errorf("%v in memory: got %d %d %d, want 90 60 200", f, gotY, gotCb, gotCr)
		}
		r, err := newRawConverter(m, "jpeg")
		if err != nil {
			t.Fatal(err)
		}
		p, defect := r.convert(frame.NewPool(1), b)
		if p == nil {
			t.Fatalf("%v: got no frame: %s", f, defectNames[defect])
		}
		img, err := jpeg.Decode(bytes.NewReader(p.Data))
		if err != nil {
			t.Fatal(err)
		}
		c := img.(*image.YCbCr).YCbCrAt(47, 31)
		if abs(int(c.Y)-90) > 3 || abs(int(c.Cb)-60) > 3 || abs(int(c.Cr)-200) > 3 {
			t.Errorf("%v: got %v, want 90 60 200", f, c)
		}
	}
}

func abs(n int) int { return max(n, -n) }

// A driver may report a size or a stride that its buffer does not have.
func TestRaw_shortBuffer(t *testing.T) {
	for _, f := range []v4l2.PixelFormat{v4l2.YUYV, v4l2.NV12, v4l2.GREY} {
		for _, encoding := range []string{"jpeg", "lz4"} {
			m, b := gradient(f, 32, 16, 70)
			v := &v4l2Source{sourceEnv: sourceEnv{pool: frame.NewPool(1)}, mode: m}
			var err error
			if v.raw, err = newRawConverter(m, encoding); err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				b    v4l2.Buffer
				want defect
			}{
				{v4l2.Buffer{Data: b[:len(b)-1]}, defectTruncated},
				{v4l2.Buffer{Data: b[:len(b)-1], Error: true}, defectTruncated},
				{v4l2.Buffer{Data: b[:1]}, defectTruncated},
				{v4l2.Buffer{}, defectFlagged},
				{v4l2.Buffer{Data: b, Error: true}, defectFlagged},
			} {
				if f, got := v.take(c.b); f != nil || got != c.want {
					t.Errorf("%v %s, %d bytes, flag %v: got %v, %s; want %s",
						m.Format, encoding, len(c.b.Data), c.b.Error, f, defectNames[got], defectNames[c.want])
				}
			}
			if f, got := v.take(v4l2.Buffer{Data: b}); f == nil {
				t.Errorf("%v %s, complete: got %s, want a frame", m.Format, encoding, defectNames[got])
			}
		}
	}
}

func TestRaw_truncatedCount(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		kernel.Plug(everyFormat).Script(func(f *v4l2test.Faults) { f.Truncate = 3 })
		cfg := small
		cfg.Format = "nv12"
		r := run(t, kernel, cfg)
		defer r.stop()
		rd := r.Hub().Subscribe()
		defer rd.Close()
		for range 30 {
			r.frame(rd)
		}
		if s := r.Status(); s.Broken < 14 || s.BrokenBy["truncated"] != s.Broken || s.State != Streaming {
			t.Errorf("got status %+v, want at least 14 truncated frames", s)
		}
	})
}

func TestRaw_warnings(t *testing.T) {
	only := func(f v4l2.PixelFormat, w, h int) v4l2test.Device {
		return v4l2test.Device{Formats: []v4l2test.Format{{FourCC: f, Sizes: [][2]int{{w, h}}}}}
	}
	for _, c := range []struct {
		device      v4l2test.Device
		format, raw string
		want        string
	}{
		{only(v4l2.MJPEG, 320, 240), "auto", "jpeg", ""},
		{only(v4l2.JPEG, 320, 240), "mjpeg", "jpeg", ""},
		{only(v4l2.YUYV, 320, 240), "auto", "jpeg", "/dev/video0 has no MJPEG; encoding its YUYV frames as JPEG"},
		{only(v4l2.YUYV, 320, 240), "", "", "/dev/video0 has no MJPEG; encoding its YUYV frames as JPEG"},
		{only(v4l2.YUYV, 320, 240), "yuyv", "jpeg", ""},
		{only(v4l2.NV12, 320, 240), "auto", "lz4", "/dev/video0 has no MJPEG; sending its NV12 frames without loss"},
		{only(v4l2.GREY, 320, 240), "nv12", "jpeg", "/dev/video0 has no NV12; encoding its GREY frames as JPEG"},
		{only(v4l2.MJPEG, 320, 240), "grey", "lz4", "/dev/video0 has no GREY; using MJPEG"},
		{only(v4l2.GREY, 320, 240), "grey", "lz4", ""},
		{only(v4l2.UYVY, 320, 240), "auto", "jpeg", "/dev/video0 has no MJPEG; encoding its UYVY frames as JPEG"},
		{only(v4l2.YV12, 320, 240), "auto", "lz4", "/dev/video0 has no MJPEG; sending its YV12 frames without loss"},
		{only(v4l2.RGB24, 320, 240), "auto", "lz4", "/dev/video0 has no MJPEG; encoding its RGB3 frames as JPEG; " +
			"RGB3 frames cannot be sent without loss; encoding them as JPEG"},
		{only(v4l2.YUYV, 4096, 2160), "yuyv", "lz4",
			"frames of 4096x2160 are too large to send without loss; encoding them as JPEG"},
	} {
		kernel := v4l2test.New()
		kernel.Plug(c.device)
		cfg := Config{Kernel: kernel, Device: "auto", Format: c.format, Raw: c.raw}
		v, err := openV4L2(sourceEnv{cfg: cfg, pool: frame.NewPool(1), counters: &counters{}})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range v.info().warnings {
			got = append(got, w.Error())
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%v, requested %q and %q: got %q, want %q", c.device.Formats, c.format, c.raw, got, c.want)
		}
		v.close()
		if err := kernel.Leaks(); err != nil {
			t.Error(err)
		}
	}
}

func TestRaw_tooNarrow(t *testing.T) {
	for _, f := range []v4l2.PixelFormat{v4l2.YUYV, v4l2.NV12} {
		if _, err := newRawConverter(v4l2.Mode{Format: f, Width: 1, Height: 1, Stride: 2}, "jpeg"); err == nil {
			t.Errorf("%v of 1x1: got nil, want an error", f)
		}
	}
}

// BenchmarkRaw720p measures the conversion of a driver's buffer to a frame.
func BenchmarkRaw720p(b *testing.B) {
	for _, f := range []v4l2.PixelFormat{v4l2.YUYV, v4l2.NV12, v4l2.GREY} {
		for _, encoding := range []string{"lz4", "jpeg"} {
			b.Run(fmt.Sprintf("%v/%s", f, encoding), func(b *testing.B) {
				stride := 1280
				if f == v4l2.YUYV {
					stride *= 2
				}
				m, src := gradient(f, 1280, 720, stride)
				r, err := newRawConverter(m, encoding)
				if err != nil {
					b.Fatal(err)
				}
				pool := frame.NewPool(2)
				b.ReportAllocs()
				for b.Loop() {
					f, _ := r.convert(pool, src)
					f.Release()
				}
			})
		}
	}
}
