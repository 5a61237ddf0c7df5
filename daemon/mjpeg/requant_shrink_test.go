package mjpeg

import (
	"bytes"
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

func TestShrink_resemblesBoxFilter(t *testing.T) {
	for name, b := range testFrames(t) {
		t.Run(name, func(t *testing.T) {
			var r Requantiser
			mustLoad(t, &r, b)
			w, h := r.Size()
			want := boxHalved(stdDecode(t, r.Append(nil, 0)), w, h)
			r.Shrink(4)
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
func TestShrink_slope(t *testing.T) {
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
		r.Shrink(4)
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

func TestShrink_coarsestSteps(t *testing.T) {
	b := testFrames(t)["grey"]
	start, end := segmentAt(t, b, mDQT)
	b = slices.Clone(b)
	for i := start + 5; i < end; i++ {
		b[i] = 255
	}
	var r Requantiser
	mustLoad(t, &r, b)
	r.Shrink(4)
	stdDecode(t, r.Append(nil, 0))
	for k, step := range r.srcSteps[0] {
		if step != 128 {
			t.Errorf("step %d: got %d, want 128", k, step)
		}
	}
}

func TestShrink_downToOnePixel(t *testing.T) {
	var r Requantiser
	mustLoad(t, &r, testFrames(t)["420"])
	for range 7 {
		r.Shrink(4)
		stdDecode(t, r.Append(nil, 40))
	}
	if w, h := r.Size(); w != 1 || h != 1 {
		t.Errorf("got %dx%d, want 1x1", w, h)
	}
}

// BenchmarkShrink720p reduces a camera's frame as for a slow link.
func BenchmarkShrink720p(b *testing.B) {
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
		r.Shrink(3)
		dst, _ = r.AppendWithin(dst[:0], 4166)
	}
	b.ReportMetric(float64(len(dst)), "bytes/frame")
}

// shrunkReference renders the n by n lowest frequencies in floating point, as
// the rows of component 0.
func shrunkReference(r *Requantiser, n int) [][]float64 {
	g := &r.geometry
	rows := make([][]float64, n*g.down*g.comps[0].v)
	for y := range rows {
		rows[y] = make([]float64, n*g.across*g.comps[0].h)
	}
	at := 0
	for m := range g.across * g.down {
		for b, c := range g.blocks[:g.perMCU] {
			words := r.coefs.words[at : at+1+int(r.coefs.words[at]&0xFFFF)]
			at += len(words)
			if c != 0 {
				continue
			}
			bx, by := m%g.across*g.comps[0].h+b%g.comps[0].h, m/g.across*g.comps[0].v+b/g.comps[0].h
			for y := range n {
				for x := range n {
					v := 128 + float64(int32(words[0])>>16)*float64(r.srcSteps[0][0])/8
					for _, w := range words[1:] {
						k := w & 63
						i := int(naturalOrder[k])
						if i&7 >= n || i>>3 >= n {
							continue
						}
						a := float64(w>>7) * float64(r.srcSteps[0][k]) / 8
						if w>>6&1 != 0 {
							a = -a
						}
						for _, axis := range [][2]int{{i & 7, x}, {i >> 3, y}} {
							if u := axis[0]; u > 0 {
								a *= math.Sqrt2 * math.Cos(float64((2*axis[1]+1)*u)*math.Pi/float64(2*n))
							}
						}
						v += a
					}
					rows[by*n+y][bx*n+x] = min(max(v, 0), 255)
				}
			}
		}
	}
	return rows
}

// Every size is the transform of the lowest frequencies; chroma of 4:2:2
// becomes that of 4:2:0, and the decoders take the result.
func TestShrink_sizes(t *testing.T) {
	for name, b := range testFrames(t) {
		for n := 1; n <= maxEighths; n++ {
			var r Requantiser
			mustLoad(t, &r, b)
			w, h := r.Size()
			want := shrunkReference(&r, n)
			was422 := r.geometry.is422()
			r.Shrink(n)
			if gw, gh := r.Size(); gw != (w*n+7)/8 || gh != (h*n+7)/8 {
				t.Errorf("%s at %d/8: got %dx%d of %dx%d", name, n, gw, gh, w, h)
			}
			out := r.Append(nil, 0)
			stdDecode(t, out)
			var d Decoder
			p := mustDecode(t, &d, out, 1)
			if was422 && (p.SubX != 2 || p.SubY != 2) {
				t.Errorf("%s at %d/8: got chroma of 1/%d by 1/%d, want 4:2:0", name, n, p.SubX, p.SubY)
			}
			if r.header.rgb() {
				continue // Decode converts it
			}
			sum := 0.0
			for y := range p.H {
				for x := range p.W {
					d := float64(p.Y[y*p.YStride+x]) - want[y][x]
					sum += d * d
				}
			}
			if got := psnr(sum, p.W*p.H); got < 30 {
				t.Errorf("%s at %d/8: got %.1f dB to the lowest frequencies, want 30", name, n, got)
			}
		}
	}
}

// Small frames are not estimated from a sample: they fill the limit, and the
// estimate is the length but for stuffed zeros.
func TestAppendWithin_estimateIsExact(t *testing.T) {
	const w, h = 640, 480
	for name, yuyv := range scenes(w, h) {
		src, err := NewEncoder(90).EncodeYUYV(nil, yuyv, w, h, 0)
		if err != nil {
			t.Fatal(err)
		}
		var r Requantiser
		mustLoad(t, &r, src)
		r.Shrink(3)
		r.sizeCorrection = 1
		for s := Scale(0); s <= MaxShrunkScale; s += 16 {
			r.estimates[s] = 0
			estimate, b := r.estimateLen(s), r.Append(nil, s)
			header, _ := segmentAt(t, b, mSOS)
			stuffed := bytes.Count(b[header:], []byte{0xFF, 0})
			if d := len(b) - stuffed - estimate; d < 0 || d > 1 {
				t.Errorf("%s at scale %d: got %d bytes, %d of them stuffed; estimated %d",
					name, s, len(b), stuffed, estimate)
			}
		}
	}
}
