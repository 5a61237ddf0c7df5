package mjpeg

import (
	"image"
	"image/color"
	"math"
	"slices"
	"testing"
)

// boxHalved returns a frame of half the size with the means of four pixels, as
// 8-bit Y, Cb, Cr.
func boxHalved(img image.Image, w, h int) (out [][3]float64) {
	b := img.Bounds()
	for y := range (h + 1) / 2 {
		for x := range (w + 1) / 2 {
			var sum [3]float64
			for i := range 4 {
				sx, sy := b.Min.X+min(2*x+i&1, w-1), b.Min.Y+min(2*y+i>>1, h-1)
				c := color.YCbCrModel.Convert(img.At(sx, sy)).(color.YCbCr)
				sum[0] += float64(c.Y) / 4
				sum[1] += float64(c.Cb) / 4
				sum[2] += float64(c.Cr) / 4
			}
			out = append(out, sum)
		}
	}
	return out
}

func TestHalve_resemblesBoxFilter(t *testing.T) {
	for name, b := range testFrames(t) {
		t.Run(name, func(t *testing.T) {
			var r Requantiser
			mustLoad(t, &r, b)
			w, h := r.Size()
			want := boxHalved(stdDecode(t, r.Append(nil, 0)), w, h)
			r.Halve()
			w, h = (w+1)/2, (h+1)/2
			img := stdDecode(t, r.Append(nil, 0))
			if got := img.Bounds(); got.Dx() != w || got.Dy() != h {
				t.Fatalf("got %v, want %dx%d", got, w, h)
			}
			var all, edge [3]float64
			n, edges := 0, 0
			for i, p := range want {
				x, y := i%w, i/w
				c := color.YCbCrModel.Convert(img.At(x, y)).(color.YCbCr)
				onEdge := x == w-1 || y == h-1
				n++
				if onEdge {
					edges++
				}
				for j, v := range [3]float64{float64(c.Y), float64(c.Cb), float64(c.Cr)} {
					d := (v - p[j]) * (v - p[j])
					all[j] += d
					if onEdge {
						edge[j] += d
					}
				}
			}
			// Sharp lines and subsampled colour differ from box-filtered ones.
			// A misplaced block gives less than 20 dB.
			for j, least := range [3]float64{29, 27, 27} {
				a, e := psnr(all[j], n), psnr(edge[j], edges)
				t.Logf("component %d: %.1f dB, %.1f dB at the right and lower edge", j, a, e)
				if a < least || e < least {
					t.Errorf("component %d: got %.1f dB, %.1f dB at the right and lower edge; want %.0f",
						j, a, e, least)
				}
			}
		})
	}
}

// A smooth slope has no high frequencies to lose.
func TestHalve_slope(t *testing.T) {
	for _, size := range [][2]int{{64, 48}, {66, 50}, {2, 1}, {18, 9}, {34, 17}} {
		w, h := size[0], size[1]
		src := make([]byte, 2*w*h)
		at := func(x, y float64) float64 { return 60 + 1.5*x + 0.7*y }
		for i := range w * h {
			src[2*i], src[2*i+1] = byte(math.Round(at(float64(i%w), float64(i/w)))), byte(100+i%2*60)
		}
		b, err := NewEncoder(98).EncodeYUYV(nil, src, w, h, 0)
		if err != nil {
			t.Fatal(err)
		}
		var r Requantiser
		mustLoad(t, &r, b)
		r.Halve()
		p := stdDecode(t, r.Append(nil, 0)).(*image.YCbCr)
		if p.Rect.Dx() != (w+1)/2 || p.Rect.Dy() != (h+1)/2 {
			t.Errorf("%v: got %v, want half", size, p.Rect)
		}
		for y := range (h + 1) / 2 {
			for x := range (w + 1) / 2 {
				want := at(min(2*float64(x)+0.5, float64(w-1)), min(2*float64(y)+0.5, float64(h-1)))
				// The source repeats pixels beyond its edge, which bends the
				// slope there.
				allowed := 3.0
				if got := float64(p.Y[p.YOffset(x, y)]); math.Abs(got-want) > allowed {
					t.Errorf("%v: %d,%d: got %v, want %.1f", size, x, y, got, want)
				}
				if cb, cr := p.Cb[p.COffset(x, y)], p.Cr[p.COffset(x, y)]; abs(cb, 100) > 1 || abs(cr, 160) > 1 {
					t.Errorf("%v: %d,%d: got colour %d, %d; want 100, 160", size, x, y, cb, cr)
				}
			}
		}
	}
}

func TestHalve_coarsestSteps(t *testing.T) {
	b := testFrames(t)["grey"]
	start, end := segmentAt(t, b, mDQT)
	b = slices.Clone(b)
	for i := start + 5; i < end; i++ {
		b[i] = 255
	}
	var r Requantiser
	mustLoad(t, &r, b)
	r.Halve()
	stdDecode(t, r.Append(nil, 0))
	for k, step := range r.srcSteps[0] {
		if step != 128 {
			t.Errorf("step %d: got %d, want 128", k, step)
		}
	}
}

func TestHalve_downToOnePixel(t *testing.T) {
	var r Requantiser
	mustLoad(t, &r, testFrames(t)["420"])
	for range 7 {
		r.Halve()
		stdDecode(t, r.Append(nil, 40))
	}
	if w, h := r.Size(); w != 1 || h != 1 {
		t.Errorf("got %dx%d, want 1x1", w, h)
	}
}

func BenchmarkHalve720p(b *testing.B) {
	const w, h = 1280, 720
	src, err := NewEncoder(85).EncodeYUYV(nil, scene(w, h, 2*w, 4), w, h, 0)
	if err != nil {
		b.Fatal(err)
	}
	info, err := Check(src)
	if err != nil {
		b.Fatal(err)
	}
	var r Requantiser
	dst := make([]byte, 0, 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Load(src, info); err != nil {
			b.Fatal(err)
		}
		r.Halve()
		dst = r.Append(dst[:0], 80)
	}
	b.ReportMetric(float64(len(dst)), "bytes/frame")
}
