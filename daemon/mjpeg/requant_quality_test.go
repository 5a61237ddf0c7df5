package mjpeg

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
	"time"
)

// scenes are frames that compress differently, packed YUYV.
func scenes(w, h int) map[string][]byte {
	rng := rand.New(rand.NewPCG(5, 6))
	paint := func(f func(x, y int) (l, cb, cr float64)) []byte {
		b := make([]byte, 2*w*h)
		clamp := func(v float64) byte { return byte(min(max(v+0.5, 0), 255)) }
		for i := range w * h {
			l, cb, cr := f(i%w, i/w)
			b[2*i] = clamp(l)
			if i%2 == 0 {
				b[2*i+1], b[2*i+3] = clamp(cb), clamp(cr)
			}
		}
		return b
	}
	return map[string][]byte{
		"photo": scene(w, h, 2*w, 2),
		"noisy": scene(w, h, 2*w, 6),
		"smooth": paint(func(x, y int) (float64, float64, float64) {
			fx, fy := float64(x), float64(y)
			l := 120 + 90*math.Sin(fx/137)*math.Cos(fy/93)
			return l, 128 + 40*math.Sin(fx/190+fy/150), 128 + 30*math.Cos(fx/160-fy/180)
		}),
		"dark": paint(func(x, y int) (float64, float64, float64) {
			n := rng.NormFloat64
			l, cb := 30+20*math.Sin(float64(x)/37)*math.Cos(float64(y)/23)+6*n(), 128+3*n()
			return l, cb, 128 + 10*math.Sin(float64(x)/100) + 3*n()
		}),
		"text": paint(func(x, y int) (float64, float64, float64) {
			if y%14 < 10 && x%9 < 7 && (x/2*7919+y/14*104729+(x/8*31+y/2*17)%13*3)%5 < 2 {
				return 20, 128, 128
			}
			return 230, 128, 128
		}),
		"bars": paint(func(x, y int) (float64, float64, float64) {
			i := x * 8 / w
			return 235 - 28*float64(i), 128 + 70*float64(i%3-1), 128 + 60*float64(i%2*2-1)
		}),
		"flat": paint(func(x, y int) (float64, float64, float64) { return 100, 90, 160 }),
	}
}

// scenePSNR returns the PSNR of luma, and of all 4:2:2 samples, against the
// packed original.
func scenePSNR(t testing.TB, b, yuyv []byte, w, h int) (luma, all float64) {
	t.Helper()
	p := stdDecode(t, b).(*image.YCbCr)
	var sl, sc float64
	square := func(a, b byte) float64 { return float64(abs(a, b) * abs(a, b)) }
	for i := range w * h {
		x, y := i%w, i/w
		sl += square(p.Y[p.YOffset(x, y)], yuyv[2*i])
		if x%2 == 0 {
			sc += square(p.Cb[p.COffset(x, y)], yuyv[2*i+1]) + square(p.Cr[p.COffset(x, y)], yuyv[2*i+3])
		}
	}
	return psnr(sl, w*h), psnr(sl+sc, 2*w*h)
}

// stdReencode re-encodes src with image/jpeg to size bytes or slightly more. It
// returns nil if no quality fits.
func stdReencode(t testing.TB, src []byte, size int) []byte {
	img := stdDecode(t, src)
	encode := func(quality int) []byte {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	low, high := 1, 100
	if len(encode(low)) > size {
		return nil
	}
	for low < high {
		if mid := (low + high) / 2; len(encode(mid)) >= size {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return encode(high)
}

func TestRequantise_asGoodAsReencoding(t *testing.T) {
	const w, h = 320, 240
	compared := 0
	for name, yuyv := range scenes(w, h) {
		t.Run(name, func(t *testing.T) {
			for _, quality := range []int{80, 93} {
				src, err := NewEncoder(quality).EncodeYUYV(nil, yuyv, w, h, 0)
				if err != nil {
					t.Fatal(err)
				}
				var r Requantiser
				mustLoad(t, &r, src)
				for _, part := range []int{2, 3, 5, 10} {
					out, s := r.AppendWithin(nil, len(src)/part)
					ref := stdReencode(t, src, len(out))
					if ref == nil {
						continue
					}
					compared++
					luma, all := scenePSNR(t, out, yuyv, w, h)
					refLuma, refAll := scenePSNR(t, ref, yuyv, w, h)
					t.Logf("%s@%d 1/%d: scale %d, %d bytes %.1f %.1f dB; image/jpeg %d bytes %.1f %.1f dB",
						name, quality, part, s, len(out), luma, all, len(ref), refLuma, refAll)
					if luma < refLuma-1 || all < refAll-1 {
						t.Errorf("%s of quality %d at 1/%d: got %.1f and %.1f dB, image/jpeg has %.1f and %.1f",
							name, quality, part, luma, all, refLuma, refAll)
					}
				}
			}
		})
	}
	if compared < 20 {
		t.Errorf("got %d comparisons, want at least 20", compared)
	}
}

func TestAppendWithin_limit(t *testing.T) {
	const w, h = 640, 480
	var r Requantiser // shared, as for a camera whose view changes
	for name, yuyv := range scenes(w, h) {
		t.Run(name, func(t *testing.T) {
			src, err := NewEncoder(90).EncodeYUYV(nil, yuyv, w, h, 0)
			if err != nil {
				t.Fatal(err)
			}
			mustLoad(t, &r, src)
			finest, coarsest := len(r.Append(nil, 0)), len(r.Append(nil, MaxScale))
			for _, limit := range []int{
				0, 1000, coarsest, finest / 10, finest / 5, finest / 3, finest / 2, finest * 9 / 10, 2 * finest,
			} {
				mustLoad(t, &r, src)
				out, s := r.AppendWithin([]byte("before"), limit)
				out = bytes.TrimPrefix(out, []byte("before"))
				if !bytes.Equal(out, r.Append(nil, s)) {
					t.Errorf("in %d bytes: got another frame than at scale %d", limit, s)
				}
				if len(out) > limit && s != MaxScale {
					t.Errorf("in %d bytes: got %d bytes at scale %d", limit, len(out), s)
				}
				// Three scales finer must be too large.
				if finer := len(r.Append(nil, s-3)); s > 3 && finer <= limit*97/100 && len(out) < limit*9/10 {
					t.Errorf("in %d bytes: got %d bytes at scale %d, but %d three scales finer",
						limit, len(out), s, finer)
				}
			}
		})
	}
}

// While the scene stays, AppendWithin tries only the scale of the frame before.
func TestAppendWithin_steadyScene(t *testing.T) {
	for _, c := range []struct{ w, h, quality, part int }{
		{64, 48, 75, 2}, {64, 48, 90, 5}, {96, 64, 95, 2}, {320, 240, 75, 2}, {640, 480, 100, 2}, {640, 480, 85, 5},
	} {
		t.Run(fmt.Sprintf("%dx%d@%d/%d", c.w, c.h, c.quality, c.part), func(t *testing.T) {
			src, err := NewEncoder(c.quality).EncodeYUYV(nil, scene(c.w, c.h, 2*c.w, 6), c.w, c.h, 0)
			if err != nil {
				t.Fatal(err)
			}
			var r Requantiser
			tried := 0
			for range 8 {
				mustLoad(t, &r, src)
				r.AppendWithin(nil, len(src)/c.part)
				tried = 0
				for _, n := range r.estimates {
					if n > 0 {
						tried++
					}
				}
			}
			most := 1
			if len(r.coefs.chunks) >= minSampledChunks {
				most = 2 // the sample's error differs between scales
			}
			if tried > most {
				t.Errorf("got %d scales tried, want at most %d", tried, most)
			}
		})
	}
}

// BenchmarkRequantiseSizes compares small and fine frames with image/jpeg, and
// reports how many times as fast the slowest per cent and the slowest are.
func BenchmarkRequantiseSizes(b *testing.B) {
	for b.Loop() {
		var ratios []float64
		for _, size := range [][2]int{{64, 48}, {96, 64}, {160, 120}, {320, 240}, {640, 480}, {1280, 720}} {
			for _, quality := range []int{50, 75, 90, 95, 100} {
				for _, noise := range []float64{0, 3, 8} {
					for _, part := range []int{2, 5} {
						ratios = append(ratios, requantiseRatio(b, size[0], size[1], quality, noise, part))
					}
				}
			}
		}
		slices.Sort(ratios)
		b.ReportMetric(ratios[len(ratios)/100], "times-as-fast-p1")
		b.ReportMetric(ratios[0], "times-as-fast-min")
	}
}

// requantiseRatio returns the time of image/jpeg over that of a Requantiser, to
// make a frame as many times smaller.
func requantiseRatio(b *testing.B, w, h, quality int, noise float64, part int) float64 {
	src, err := NewEncoder(quality).EncodeYUYV(nil, scene(w, h, 2*w, noise), w, h, 0)
	if err != nil {
		b.Fatal(err)
	}
	info, err := Check(src)
	if err != nil {
		b.Fatal(err)
	}
	var r Requantiser
	var dst []byte
	ours, theirs := time.Hour, time.Hour
	for range 4 + 1_000_000/(w*h) {
		ours = min(ours, timeOf(func() {
			if err := r.Load(src, info); err != nil {
				b.Fatal(err)
			}
			dst, _ = r.AppendWithin(dst[:0], len(src)/part)
		}))
	}
	var out bytes.Buffer
	again := func(quality int) {
		img, err := jpeg.Decode(bytes.NewReader(src))
		if err != nil {
			b.Fatal(err)
		}
		out.Reset()
		_ = jpeg.Encode(&out, img, &jpeg.Options{Quality: quality})
	}
	q := sort.Search(100, func(q int) bool { again(max(q, 1)); return out.Len() >= len(dst) })
	for range 4 + 200_000/(w*h) {
		theirs = min(theirs, timeOf(func() { again(max(q, 1)) }))
	}
	return float64(theirs) / float64(ours)
}

func BenchmarkRequantise720p(b *testing.B) {
	const w, h = 1280, 720
	for _, noise := range []float64{1, 4} {
		yuyv := scene(w, h, 2*w, noise)
		src422, err := NewEncoder(85).EncodeYUYV(nil, yuyv, w, h, 0)
		if err != nil {
			b.Fatal(err)
		}
		var src420 bytes.Buffer
		if err := jpeg.Encode(&src420, planar(yuyv, w, h), &jpeg.Options{Quality: 85}); err != nil {
			b.Fatal(err)
		}
		for sampling, src := range map[string][]byte{"422": src422, "420": src420.Bytes()} {
			for _, part := range []int{2, 5, 10} {
				benchmarkRequantise(b, fmt.Sprintf("%s/noise=%v/%d", sampling, noise, part), src, len(src)/part)
			}
		}
	}
}

func benchmarkRequantise(b *testing.B, name string, src []byte, limit int) {
	info, err := Check(src)
	if err != nil {
		b.Fatal(err)
	}
	var r Requantiser
	dst := make([]byte, 0, 1<<20)
	size := 0
	b.Run(name+"/ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := r.Load(src, info); err != nil {
				b.Fatal(err)
			}
			dst, _ = r.AppendWithin(dst[:0], limit)
		}
		size = len(dst)
		b.ReportMetric(float64(size), "bytes/frame")
	})
	b.Run(name+"/image-jpeg", func(b *testing.B) {
		img, quality := stdDecode(b, src), 1
		var out bytes.Buffer
		for ; quality < 100; quality++ {
			out.Reset()
			if _ = jpeg.Encode(&out, img, &jpeg.Options{Quality: quality}); out.Len() >= size {
				break
			}
		}
		b.ReportAllocs()
		for b.Loop() {
			img, err := jpeg.Decode(bytes.NewReader(src))
			if err != nil {
				b.Fatal(err)
			}
			out.Reset()
			_ = jpeg.Encode(&out, img, &jpeg.Options{Quality: quality})
		}
		b.ReportMetric(float64(out.Len()), "bytes/frame")
	})
}
