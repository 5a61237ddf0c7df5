package mjpeg

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"testing"
)

// scene returns packed YUYV that resembles a photo: slopes, edges, texture and
// noise. Rows are stride bytes apart.
func scene(w, h, stride int, noise float64) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, stride*h)
	clamp := func(v float64) byte { return byte(min(max(v, 0), 255)) }
	for y := range h {
		for x := range w {
			fx, fy := float64(x), float64(y)
			l := 120 + 60*math.Sin(fx/37)*math.Cos(fy/23) + 25*math.Sin(fx*fy/5000) + noise*rng.NormFloat64()
			if (x/40+y/40)%5 == 0 {
				l += 50
			}
			b[y*stride+2*x] = clamp(l)
			if x%2 == 0 {
				b[y*stride+2*x+1] = clamp(128 + 70*math.Sin(fx/90+fy/50))
				b[y*stride+2*x+3] = clamp(128 + 70*math.Cos(fx/60-fy/80))
			}
		}
	}
	return b
}

func psnr(squares float64, n int) float64 {
	return 10 * math.Log10(255*255*float64(n)/max(squares, 1e-9))
}

// yuyvPSNR decodes b with image/jpeg and returns the PSNR of luma and chroma
// against packed YUYV.
func yuyvPSNR(t *testing.T, b, yuyv []byte, w, h, stride int) (luma, chroma float64) {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	p := img.(*image.YCbCr)
	if p.Rect.Dx() != w || p.Rect.Dy() != h || p.SubsampleRatio != image.YCbCrSubsampleRatio422 {
		t.Fatalf("got %v %v, want %dx%d 4:2:2", p.Rect, p.SubsampleRatio, w, h)
	}
	var sl, sc float64
	for y := range h {
		for x := range w {
			d := float64(p.Y[p.YOffset(x, y)]) - float64(yuyv[y*stride+2*x])
			sl += d * d
			if x%2 == 0 {
				d := float64(p.Cb[p.COffset(x, y)]) - float64(yuyv[y*stride+2*x+1])
				e := float64(p.Cr[p.COffset(x, y)]) - float64(yuyv[y*stride+2*x+3])
				sc += d*d + e*e
			}
		}
	}
	return psnr(sl, w*h), psnr(sc, w*h)
}

func TestEncodeYUYV_fidelity(t *testing.T) {
	for _, c := range []struct {
		w, h, pad, quality int
		luma, chroma       float64 // least PSNR in dB
	}{
		{640, 480, 0, 100, 48, 48},
		{640, 480, 0, 90, 38, 38},
		{640, 480, 64, 75, 35, 35},
		{640, 480, 0, 10, 26, 26},
		{642, 481, 6, 90, 38, 38},
		{2, 1, 0, 90, 30, 30},
		{16, 8, 0, 90, 36, 36},
		{18, 9, 0, 90, 36, 36},
	} {
		t.Run(fmt.Sprintf("%dx%d+%d@%d", c.w, c.h, c.pad, c.quality), func(t *testing.T) {
			stride := 2*c.w + c.pad
			src := scene(c.w, c.h, stride, 2)
			b, err := NewEncoder(c.quality).EncodeYUYV(nil, src[:stride*(c.h-1)+2*c.w], c.w, c.h, stride)
			if err != nil {
				t.Fatal(err)
			}
			info, err := Check(b)
			if err != nil || info.Width != c.w || info.Height != c.h || !info.Tables || info.End != len(b) {
				t.Errorf("got %+v, %v from Check; want %dx%d of %d bytes", info, err, c.w, c.h, len(b))
			}
			luma, chroma := yuyvPSNR(t, b, src, c.w, c.h, stride)
			t.Logf("%d bytes, %.1f dB, %.1f dB", len(b), luma, chroma)
			if luma < c.luma || chroma < c.chroma {
				t.Errorf("got %.1f and %.1f dB, want %.1f and %.1f", luma, chroma, c.luma, c.chroma)
			}
		})
	}
}

// At the same quality luma is as good as that of image/jpeg, which has an exact
// DCT.
func TestEncodeYUYV_asGoodAsImageJPEG(t *testing.T) {
	const w, h = 320, 240
	src := scene(w, h, 2*w, 3)
	for _, quality := range []int{50, 75, 90, 95} {
		b, err := NewEncoder(quality).EncodeYUYV(nil, src, w, h, 0)
		if err != nil {
			t.Fatal(err)
		}
		ours, _ := yuyvPSNR(t, b, src, w, h, 2*w)
		var ref bytes.Buffer
		if err := jpeg.Encode(&ref, planar(src, w, h), &jpeg.Options{Quality: quality}); err != nil {
			t.Fatal(err)
		}
		img, err := jpeg.Decode(&ref)
		if err != nil {
			t.Fatal(err)
		}
		p, sum := img.(*image.YCbCr), 0.0
		for i := range w * h {
			d := float64(p.Y[p.YOffset(i%w, i/w)]) - float64(src[2*i])
			sum += d * d
		}
		if theirs := psnr(sum, w*h); ours < theirs-0.1 {
			t.Errorf("quality %d: got %.2f dB, image/jpeg has %.2f", quality, ours, theirs)
		}
	}
}

// Extreme values have the longest codes. Noise at quality 100 gives the largest
// frames.
func TestEncodeYUYV_extremes(t *testing.T) {
	const w, h = 160, 96
	rng := rand.New(rand.NewPCG(3, 4))
	noise, chequers, pulses := make([]byte, 2*w*h), make([]byte, 2*w*h), make([]byte, 2*w*h)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
		chequers[i] = byte(-(i/2 + i/2/w&1) & 1 * 255)
		pulses[i] = byte(rng.Uint32() & 1 * 255)
	}
	for _, quality := range []int{1, 50, 100} {
		for name, src := range map[string][]byte{"noise": noise, "chequers": chequers, "pulses": pulses} {
			b, err := NewEncoder(quality).EncodeYUYV(nil, src, w, h, 0)
			if err != nil {
				t.Fatal(err)
			}
			luma, _ := yuyvPSNR(t, b, src, w, h, 2*w)
			if quality == 100 && luma < 40 {
				t.Errorf("%s at quality %d: got %.1f dB, want 40", name, quality, luma)
			}
		}
	}
}

func TestEncodeYUYV_invalidGeometry(t *testing.T) {
	for _, c := range []struct {
		name            string
		n, w, h, stride int
	}{
		{"odd width", 2 * 16 * 8, 15, 8, 0},
		{"one byte short", 2*16*8 - 1, 16, 8, 0},
		{"one row short", 2 * 16 * 8, 16, 9, 0},
		{"stride too short", 2 * 16 * 8, 16, 8, 31},
		{"size 0", 0, 0, 0, 0},
		{"negative width", 100, -2, 1, 0},
		{"negative height", 100, 2, -1, 0},
		{"negative stride", 100, 2, 1, -4},
		{"too wide", 1 << 18, 65536, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			dst := []byte("before")
			b, err := NewEncoder(90).EncodeYUYV(dst, make([]byte, c.n), c.w, c.h, c.stride)
			if !errors.Is(err, ErrGeometry) || string(b) != "before" {
				t.Errorf("got %v, %d bytes appended; want ErrGeometry, none", err, len(b)-len(dst))
			}
		})
	}
}

func TestEncodeYUYV_allocations(t *testing.T) {
	const w, h = 322, 242
	src := scene(w, h, 2*w, 2)
	e := NewEncoder(80)
	dst, err := e.EncodeYUYV(nil, src, w, h, 0)
	if err != nil {
		t.Fatal(err)
	}
	dst = append(dst, make([]byte, 8<<10)...)
	if n := testing.AllocsPerRun(10, func() { _, _ = e.EncodeYUYV(dst[:0], src, w, h, 0) }); n != 0 {
		t.Errorf("got %v allocations per frame, want none", n)
	}
}

func TestAppendTile_anyOrder(t *testing.T) {
	const w, h = 16 * 5, 16*3 - 7 // 15 tiles, the lowest row cropped
	e := NewEncoder(95)
	var tiles [2][]byte
	for i := range tiles {
		var tile Tile
		for j := range tile.Y {
			tile.Y[j] = byte(40 + 150*i + j%16)
		}
		for j := range tile.Cb {
			tile.Cb[j], tile.Cr[j] = byte(90+60*i), byte(160-50*i)
		}
		tiles[i] = e.AppendTile(nil, &tile)
	}
	text := []byte("a comment")
	b := e.AppendTiledHeader(nil, w, h, text)
	if got := b[CommentOffset : CommentOffset+len(text)]; !bytes.Equal(got, text) {
		t.Errorf("got %q at CommentOffset, want %q", got, text)
	}
	for i := range 15 {
		if i > 0 {
			b = AppendRestart(b, i-1)
		}
		b = append(b, tiles[i%2]...)
	}
	b = AppendEnd(b)
	if info, err := Check(b); err != nil || info.Width != w || info.Height != h {
		t.Errorf("got %+v, %v from Check; want %dx%d", info, err, w, h)
	}
	if got := Comment(b); !bytes.Equal(got, text) {
		t.Errorf("got comment %q, want %q", got, text)
	}
	img, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 15 {
		x, y := i%5*16+8, i/5*16+4
		c := img.At(x, y).(color.YCbCr)
		want := color.YCbCr{Y: byte(48 + i%2*150), Cb: byte(90 + i%2*60), Cr: byte(160 - i%2*50)}
		if abs(c.Y, want.Y) > 2 || abs(c.Cb, want.Cb) > 2 || abs(c.Cr, want.Cr) > 2 {
			t.Errorf("tile %d: got %v, want %v", i, c, want)
		}
	}
}

func abs(a, b uint8) int { return int(max(a, b) - min(a, b)) }

func planar(yuyv []byte, w, h int) *image.YCbCr {
	p := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio422)
	for i := range w * h / 2 {
		p.Y[2*i], p.Cb[i], p.Y[2*i+1], p.Cr[i] = yuyv[4*i], yuyv[4*i+1], yuyv[4*i+2], yuyv[4*i+3]
	}
	return p
}

func BenchmarkEncodeYUYV720p(b *testing.B) {
	const w, h = 1280, 720
	for _, noise := range []float64{1, 4} {
		src := scene(w, h, 2*w, noise)
		b.Run(fmt.Sprintf("noise=%v/ours", noise), func(b *testing.B) {
			e := NewEncoder(80)
			dst := make([]byte, 0, 1<<20)
			b.ReportAllocs()
			for b.Loop() {
				dst, _ = e.EncodeYUYV(dst[:0], src, w, h, 0)
			}
			b.ReportMetric(float64(len(dst)), "bytes/frame")
		})
		b.Run(fmt.Sprintf("noise=%v/image-jpeg", noise), func(b *testing.B) {
			var out bytes.Buffer
			p := planar(src, w, h)
			b.ReportAllocs()
			for b.Loop() {
				out.Reset()
				// Convert to planes first, as a program with image/jpeg would.
				for i := range w * h / 2 {
					p.Y[2*i], p.Cb[i], p.Y[2*i+1], p.Cr[i] = src[4*i], src[4*i+1], src[4*i+2], src[4*i+3]
				}
				_ = jpeg.Encode(&out, p, &jpeg.Options{Quality: 80})
			}
			b.ReportMetric(float64(out.Len()), "bytes/frame")
		})
	}
}
