package mjpeg

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"testing"
)

// patterned returns a value that changes over the frame.
func patterned(x, y, by int) byte { return byte(40 + (x*3+y*2+by*37)%170) }

// rawFormats lay out Y, Cb and Cr in memory, with pad bytes after each row.
var rawFormats = []struct {
	name     string
	halfRows bool
	layout   func(w, h, pad int) (b []byte, y, cb, cr Samples)
}{
	{"UYVY", false, func(w, h, pad int) ([]byte, Samples, Samples, Samples) {
		s := 4*((w+1)/2) + pad
		b := make([]byte, s*h)
		return b, Samples{b[1:], 2, s}, Samples{b, 4, s}, Samples{b[2:], 4, s}
	}},
	{"YVYU", false, func(w, h, pad int) ([]byte, Samples, Samples, Samples) {
		s := 4*((w+1)/2) + pad
		b := make([]byte, s*h)
		return b, Samples{b, 2, s}, Samples{b[3:], 4, s}, Samples{b[1:], 4, s}
	}},
	{"NV16", false, func(w, h, pad int) ([]byte, Samples, Samples, Samples) {
		s := 2*((w+1)/2) + pad
		b := make([]byte, 2*s*h)
		return b, Samples{b, 1, s}, Samples{b[s*h:], 2, s}, Samples{b[s*h+1:], 2, s}
	}},
	{"NV21", true, func(w, h, pad int) ([]byte, Samples, Samples, Samples) {
		s := 2*((w+1)/2) + pad
		b := make([]byte, s*(h+(h+1)/2))
		return b, Samples{b, 1, s}, Samples{b[s*h+1:], 2, s}, Samples{b[s*h:], 2, s}
	}},
	{"YV12", true, func(w, h, pad int) ([]byte, Samples, Samples, Samples) {
		s := 2*((w+1)/2) + 2*pad
		c := s / 2 * ((h + 1) / 2)
		b := make([]byte, s*h+2*c)
		return b, Samples{b, 1, s}, Samples{b[s*h+c:], 1, s / 2}, Samples{b[s*h:], 1, s / 2}
	}},
}

func TestEncodeSamples(t *testing.T) {
	e := NewEncoder(100)
	for _, f := range rawFormats {
		for _, size := range [][3]int{{64, 32, 0}, {70, 37, 6}, {2, 1, 0}, {1, 1, 2}, {17, 16, 0}} {
			w, h := size[0], size[1]
			t.Run(fmt.Sprintf("%s/%dx%d", f.name, w, h), func(t *testing.T) {
				_, y, cb, cr := f.layout(w, h, size[2])
				lines := h
				ratio := image.YCbCrSubsampleRatio422
				if f.halfRows {
					lines, ratio = (h+1)/2, image.YCbCrSubsampleRatio420
				}
				for j := range h {
					for i := range w {
						y.at(i, j)[0] = patterned(i, j, 0)
					}
				}
				for j := range lines {
					for i := range (w + 1) / 2 {
						cb.at(i, j)[0], cr.at(i, j)[0] = patterned(i/4, j/4, 1), patterned(i/4, j/4, 2)
					}
				}
				b, err := e.EncodeSamples([]byte("before"), y, cb, cr, w, h, f.halfRows)
				if err != nil {
					t.Fatal(err)
				}
				b, ok := bytes.CutPrefix(b, []byte("before"))
				if !ok {
					t.Fatal("got a frame that is not appended")
				}
				if _, err := Check(b); err != nil {
					t.Error(err)
				}
				decoded, err := jpeg.Decode(bytes.NewReader(b))
				if err != nil {
					t.Fatal(err)
				}
				img := decoded.(*image.YCbCr)
				if img.Rect.Dx() != w || img.Rect.Dy() != h || img.SubsampleRatio != ratio {
					t.Fatalf("got %v of %v, want %dx%d of %v", img.Rect, img.SubsampleRatio, w, h, ratio)
				}
				for j := range h {
					for i := range w {
						near(t, "Y", i, j, img.Y[img.YOffset(i, j)], y.at(i, j)[0])
						line := j * lines / h
						if f.halfRows {
							line = j / 2
						}
						near(t, "Cb", i, j, img.Cb[img.COffset(i, j)], cb.at(i/2, line)[0])
						near(t, "Cr", i, j, img.Cr[img.COffset(i, j)], cr.at(i/2, line)[0])
					}
				}
			})
		}
	}
}

func near(t *testing.T, what string, x, y int, got, want byte) {
	t.Helper()
	if d := int(got) - int(want); d < -4 || d > 4 {
		t.Fatalf("%s at %d,%d: got %d, want %d", what, x, y, got, want)
	}
}

func TestEncodeRGB(t *testing.T) {
	e := NewEncoder(100)
	for _, bgr := range []bool{false, true} {
		for _, c := range []color.RGBA{
			{255, 0, 0, 255}, {0, 255, 0, 255}, {0, 0, 255, 255},
			{255, 255, 255, 255}, {0, 0, 0, 255}, {200, 120, 40, 255},
		} {
			const w, h, stride = 35, 19, 3*35 + 5
			src := make([]byte, stride*h)
			for y := range h {
				for x := range w {
					p := src[y*stride+3*x:]
					p[0], p[1], p[2] = c.R, c.G, c.B
					if bgr {
						p[0], p[2] = c.B, c.R
					}
				}
			}
			b, err := e.EncodeRGB(nil, src, w, h, stride, bgr)
			if err != nil {
				t.Fatal(err)
			}
			img, err := jpeg.Decode(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if img.Bounds() != image.Rect(0, 0, w, h) {
				t.Fatalf("got %v, want %dx%d", img.Bounds(), w, h)
			}
			for _, p := range []image.Point{{0, 0}, {17, 9}, {34, 18}} {
				got := color.RGBAModel.Convert(img.At(p.X, p.Y)).(color.RGBA)
				near(t, "red", p.X, p.Y, got.R, c.R)
				near(t, "green", p.X, p.Y, got.G, c.G)
				near(t, "blue", p.X, p.Y, got.B, c.B)
			}
		}
	}
}

func TestEncodeSamples_geometry(t *testing.T) {
	e := NewEncoder(50)
	b := make([]byte, 100*100*2)
	y, c := Samples{b, 2, 200}, Samples{b, 4, 200}
	for _, x := range []struct {
		name      string
		y, cb, cr Samples
		w, h      int
	}{
		{"no columns", y, c, c, 0, 100},
		{"too many rows", y, c, c, 100, 101},
		{"too wide", y, c, c, 102, 100},
		{"no Y", Samples{nil, 2, 200}, c, c, 100, 100},
		{"short Cb", y, Samples{b[:len(b)-200], 4, 200}, c, 100, 100},
		{"short Cr", y, c, Samples{b[:len(b)-200], 4, 200}, 100, 100},
		{"no step", Samples{b, 0, 200}, c, c, 100, 100},
		{"negative stride", Samples{b, 2, -200}, c, c, 100, 100},
	} {
		t.Run(x.name, func(t *testing.T) {
			if _, err := e.EncodeSamples(nil, x.y, x.cb, x.cr, x.w, x.h, false); !errors.Is(err, ErrGeometry) {
				t.Errorf("got %v, want ErrGeometry", err)
			}
		})
	}
	if _, err := e.EncodeSamples(nil, y, c, c, 100, 100, false); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	if _, err := e.EncodeRGB(nil, b, 100, 100, 0, false); !errors.Is(err, ErrGeometry) {
		t.Errorf("RGB: got %v, want ErrGeometry", err)
	}
}

func TestEncodeSamples_allocations(t *testing.T) {
	e := NewEncoder(85)
	dst := make([]byte, 0, 1<<20)
	for _, f := range rawFormats {
		_, y, cb, cr := f.layout(322, 181, 0)
		n := testing.AllocsPerRun(20, func() {
			if _, err := e.EncodeSamples(dst, y, cb, cr, 322, 181, f.halfRows); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: got %v allocations a frame, want 0", f.name, n)
		}
	}
	rgb := make([]byte, 3*322*181)
	if n := testing.AllocsPerRun(20, func() { _, _ = e.EncodeRGB(dst, rgb, 322, 181, 0, false) }); n != 0 {
		t.Errorf("RGB: got %v allocations a frame, want 0", n)
	}
}

// BenchmarkEncodeFormats720p shows the cost of the raw formats beside YUYV.
func BenchmarkEncodeFormats720p(b *testing.B) {
	const w, h = 1280, 720
	e := NewEncoder(85)
	dst := make([]byte, 0, 4<<20)
	fill := func(src []byte) []byte {
		for i := range src {
			src[i] = patterned(i%(2*w), i/(2*w), 0)
		}
		return src
	}
	b.Run("YUYV", func(b *testing.B) {
		src := fill(make([]byte, 2*w*h))
		for b.Loop() {
			_, _ = e.EncodeYUYV(dst, src, w, h, 0)
		}
	})
	for _, f := range rawFormats {
		b.Run(f.name, func(b *testing.B) {
			src, y, cb, cr := f.layout(w, h, 0)
			fill(src)
			for b.Loop() {
				_, _ = e.EncodeSamples(dst, y, cb, cr, w, h, f.halfRows)
			}
		})
	}
	b.Run("RGB", func(b *testing.B) {
		src := fill(make([]byte, 3*w*h))
		for b.Loop() {
			_, _ = e.EncodeRGB(dst, src, w, h, 0, false)
		}
	})
}
