package mjpeg

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
)

// nv12 converts a scene. It fills the padding of each row with noise; the last
// row has none.
func nv12(yuyv []byte, w, h, ystride, stride int) []byte {
	rng := rand.New(rand.NewPCG(5, 6))
	b := make([]byte, stride*(h+(h+1)/2))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	for y := range h {
		for x := range w {
			b[y*stride+x] = yuyv[y*ystride+2*x]
		}
	}
	for y := range (h + 1) / 2 {
		for x := range (w + 1) / 2 {
			b[(h+y)*stride+2*x] = yuyv[2*y*ystride+4*x+1]
			b[(h+y)*stride+2*x+1] = yuyv[2*y*ystride+4*x+3]
		}
	}
	return b[:stride*(h+(h+1)/2-1)+(w+1)/2*2]
}

// nv12PSNR returns the PSNR of luma and chroma of a decoded frame against NV12;
// luma alone for a grey one.
func nv12PSNR(t *testing.T, b, planes []byte, w, h, stride int) (luma, chroma float64) {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if img.Bounds() != image.Rect(0, 0, w, h) {
		t.Fatalf("got %v, want %dx%d", img.Bounds(), w, h)
	}
	squares := func(got []uint8, gstride, from, step, cols, rows int) (sum float64) {
		for y := range rows {
			for x := range cols {
				d := float64(got[y*gstride+x]) - float64(planes[from+y*stride+step*x])
				sum += d * d
			}
		}
		return sum
	}
	switch p := img.(type) {
	case *image.Gray:
		return psnr(squares(p.Pix, p.Stride, 0, 1, w, h), w*h), 0
	case *image.YCbCr:
		if p.SubsampleRatio != image.YCbCrSubsampleRatio420 {
			t.Fatalf("got %v, want 4:2:0", p.SubsampleRatio)
		}
		cw, ch := (w+1)/2, (h+1)/2
		colour := squares(p.Cb, p.CStride, stride*h, 2, cw, ch) + squares(p.Cr, p.CStride, stride*h+1, 2, cw, ch)
		return psnr(squares(p.Y, p.YStride, 0, 1, w, h), w*h), psnr(colour, 2*cw*ch)
	}
	t.Fatalf("got %T from image/jpeg", img)
	panic("unreachable")
}

func TestEncodePlanes_fidelity(t *testing.T) {
	for _, c := range []struct {
		w, h, pad, quality int
		luma, chroma       float64 // least PSNR in dB
	}{
		{640, 480, 0, 100, 48, 48},
		{640, 480, 0, 90, 38, 38},
		{640, 480, 64, 75, 35, 35},
		{640, 480, 0, 10, 26, 26},
		{642, 481, 6, 90, 38, 38},
		{641, 479, 7, 90, 38, 38},
		{655, 465, 1, 90, 38, 38},
		{1, 1, 1, 90, 30, 30},
		{2, 3, 0, 90, 30, 30},
		{16, 16, 0, 90, 36, 36},
		{17, 9, 1, 90, 36, 36},
		{9, 17, 23, 90, 36, 36},
	} {
		t.Run(fmt.Sprintf("%dx%d+%d@%d", c.w, c.h, c.pad, c.quality), func(t *testing.T) {
			stride, even := c.w+c.pad, (c.w+1)/2*2
			src := nv12(scene(even, c.h, 2*even, 2), c.w, c.h, 2*even, stride)
			e := NewEncoder(c.quality)
			b, err := e.EncodeNV12(nil, src, c.w, c.h, stride)
			if err != nil {
				t.Fatal(err)
			}
			luma, chroma := nv12PSNR(t, b, src, c.w, c.h, stride)
			t.Logf("%d bytes, %.1f dB, %.1f dB", len(b), luma, chroma)
			if luma < c.luma || chroma < c.chroma {
				t.Errorf("got %.1f and %.1f dB, want %.1f and %.1f", luma, chroma, c.luma, c.chroma)
			}
			checkEncoded(t, b, c.w, c.h)

			// The same encoder and size, but another sampling.
			b, err = e.EncodeGrey(nil, src[:stride*(c.h-1)+c.w], c.w, c.h, stride)
			if err != nil {
				t.Fatal(err)
			}
			luma, _ = nv12PSNR(t, b, src, c.w, c.h, stride)
			t.Logf("grey: %d bytes, %.1f dB", len(b), luma)
			if luma < c.luma {
				t.Errorf("grey: got %.1f dB, want %.1f", luma, c.luma)
			}
			checkEncoded(t, b, c.w, c.h)
		})
	}
}

func checkEncoded(t *testing.T, b []byte, w, h int) {
	t.Helper()
	info, err := Check(b)
	if err != nil || info.Width != w || info.Height != h || !info.Tables || info.End != len(b) {
		t.Errorf("got %+v, %v from Check; want %dx%d of %d bytes", info, err, w, h, len(b))
	}
}

func TestEncodePlanes_asGoodAsImageJPEG(t *testing.T) {
	const w, h = 320, 240
	src := nv12(scene(w, h, 2*w, 3), w, h, 2*w, w)
	p := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	deinterleave(p, src, w, h)
	grey := &image.Gray{Pix: src[:w*h], Stride: w, Rect: p.Rect}
	for _, quality := range []int{50, 75, 90, 95} {
		e := NewEncoder(quality)
		ours, err := e.EncodeNV12(nil, src, w, h, 0)
		oursGrey, err2 := e.EncodeGrey(nil, src, w, h, 0)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		for _, x := range []struct {
			b   []byte
			ref image.Image
		}{{ours, p}, {oursGrey, grey}} {
			var ref bytes.Buffer
			if err := jpeg.Encode(&ref, x.ref, &jpeg.Options{Quality: quality}); err != nil {
				t.Fatal(err)
			}
			theirs := ref.Len()
			luma, chroma := nv12PSNR(t, x.b, src, w, h, w)
			refLuma, refChroma := nv12PSNR(t, ref.Bytes(), src, w, h, w)
			if luma < refLuma-0.1 || chroma < refChroma-0.1 || len(x.b) > theirs*101/100 {
				t.Errorf("%T, quality %d: got %.2f and %.2f dB in %d bytes, image/jpeg has %.2f and %.2f in %d",
					x.ref, quality, luma, chroma, len(x.b), refLuma, refChroma, theirs)
			}
		}
	}
}

// deinterleave converts NV12 to planes, as a program with image/jpeg would.
func deinterleave(p *image.YCbCr, src []byte, w, h int) {
	copy(p.Y, src[:w*h])
	for i := range w * h / 4 {
		p.Cb[i], p.Cr[i] = src[w*h+2*i], src[w*h+2*i+1]
	}
}

// libjpeg warns about errors that other decoders ignore.
func TestEncode_libjpeg(t *testing.T) {
	djpeg, err := exec.LookPath("djpeg")
	switch {
	case err != nil && os.Getenv("VCHAT_TEST_TOOLS") != "":
		t.Fatal("djpeg is not installed: package libjpeg-turbo-progs")
	case err != nil:
		t.Skip("djpeg is not installed")
	}
	for _, size := range [][2]int{{320, 240}, {322, 181}, {2, 1}, {17, 33}} {
		w, h := size[0], size[1]
		even := (w + 1) / 2 * 2
		packed := scene(even, h, 2*even, 2)
		src := nv12(packed, w, h, 2*even, even)
		e := NewEncoder(85)
		colour, err := e.EncodeNV12(nil, src, w, h, even)
		grey, err2 := e.EncodeGrey(nil, src, w, h, even)
		yuyv, err3 := e.EncodeYUYV(nil, packed, even, h, 0)
		if err := errors.Join(err, err2, err3); err != nil {
			t.Fatal(err)
		}
		for _, x := range []struct {
			b    []byte
			head string
		}{
			{colour, fmt.Sprintf("P6\n%d %d\n", w, h)},
			{grey, fmt.Sprintf("P5\n%d %d\n", w, h)},
			{yuyv, fmt.Sprintf("P6\n%d %d\n", even, h)},
		} {
			cmd := exec.Command(djpeg, "-pnm")
			var out, complaint bytes.Buffer
			cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(x.b), &out, &complaint
			if err := cmd.Run(); err != nil || complaint.Len() > 0 || !bytes.HasPrefix(out.Bytes(), []byte(x.head)) {
				t.Errorf("%dx%d: got djpeg's %v, %q and a frame %.15q, want %q",
					w, h, err, complaint.String(), out.Bytes(), x.head)
			}
		}
	}
}

func TestEncodePlanes_invalidGeometry(t *testing.T) {
	type encode func(e *Encoder, dst, src []byte, w, h, stride int) ([]byte, error)
	for _, c := range []struct {
		name            string
		f               encode
		n, w, h, stride int
	}{
		{"NV12 one byte short", (*Encoder).EncodeNV12, 16*24 - 1, 16, 16, 0},
		{"NV12 without chroma of the odd row", (*Encoder).EncodeNV12, 16*(15+7) + 15, 16, 15, 0},
		{"NV12 stride too short for the odd column", (*Encoder).EncodeNV12, 1 << 10, 15, 16, 15},
		{"NV12 of size 0", (*Encoder).EncodeNV12, 16, 0, 0, 0},
		{"NV12 with negative stride", (*Encoder).EncodeNV12, 1 << 10, 2, 2, -2},
		{"NV12 too wide", (*Encoder).EncodeNV12, 1 << 18, 65536, 1, 0},
		{"NV12 too high", (*Encoder).EncodeNV12, 1 << 18, 1, 65536, 0},
		{"grey one byte short", (*Encoder).EncodeGrey, 255, 16, 16, 0},
		{"grey padded, one byte short", (*Encoder).EncodeGrey, 15*20 + 15, 16, 16, 20},
		{"grey with too short a stride", (*Encoder).EncodeGrey, 256, 16, 16, 15},
		{"grey of size 0", (*Encoder).EncodeGrey, 16, 0, 0, 0},
		{"grey of negative height", (*Encoder).EncodeGrey, 16, 4, -4, 0},
		// With a 32-bit int these products wrap around to 0.
		{"YUYV beyond the address space", (*Encoder).EncodeYUYV, 1 << 17, 2, 65535, 1 << 30},
		{"NV12 beyond the address space", (*Encoder).EncodeNV12, 1 << 17, 2, 65535, 1 << 30},
		{"grey beyond the address space", (*Encoder).EncodeGrey, 1 << 17, 2, 65533, 1 << 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			dst := []byte("before")
			b, err := c.f(NewEncoder(90), dst, make([]byte, c.n), c.w, c.h, c.stride)
			if !errors.Is(err, ErrGeometry) || string(b) != "before" {
				t.Errorf("got %v, %d bytes appended; want ErrGeometry, none", err, len(b)-len(dst))
			}
		})
	}
}

func TestEncodePlanes_allocations(t *testing.T) {
	const w, h = 321, 241
	src := nv12(scene(w+1, h, 2*(w+1), 2), w, h, 2*(w+1), w+1)
	for name, f := range map[string]func(e *Encoder, dst, src []byte, w, h, stride int) ([]byte, error){
		"NV12": (*Encoder).EncodeNV12, "grey": (*Encoder).EncodeGrey,
	} {
		t.Run(name, func(t *testing.T) {
			e := NewEncoder(80)
			dst, err := f(e, nil, src, w, h, w+1)
			if err != nil {
				t.Fatal(err)
			}
			dst = append(dst, make([]byte, 8<<10)...)
			if n := testing.AllocsPerRun(10, func() { _, _ = f(e, dst[:0], src, w, h, w+1) }); n != 0 {
				t.Errorf("got %v allocations per frame, want none", n)
			}
		})
	}
}

// FuzzEncodeGeometry checks that any geometry is either rejected or gives a
// frame that Check accepts.
func FuzzEncodeGeometry(f *testing.F) {
	f.Add(uint8(0), 16, 16, 0, 512)
	f.Add(uint8(1), 17, 9, 18, 400)
	f.Add(uint8(2), 7, 3, -1, 21)
	f.Fuzz(func(t *testing.T, which uint8, w, h, stride, n int) {
		if w > 300 || h > 300 || n < 0 || n > 1<<18 {
			return // slow, and no other code paths
		}
		encode := [](func(e *Encoder, dst, src []byte, w, h, stride int) ([]byte, error)){
			(*Encoder).EncodeYUYV, (*Encoder).EncodeNV12, (*Encoder).EncodeGrey}[which%3]
		b, err := encode(NewEncoder(50), nil, make([]byte, n), w, h, stride)
		if err != nil {
			if !errors.Is(err, ErrGeometry) || len(b) > 0 {
				t.Fatalf("got %d bytes, %v; want none and ErrGeometry", len(b), err)
			}
			return
		}
		checkEncoded(t, b, w, h)
	})
}

func BenchmarkEncodePlanes720p(b *testing.B) {
	const w, h = 1280, 720
	for _, noise := range []float64{1, 4} {
		src := nv12(scene(w, h, 2*w, noise), w, h, 2*w, w)
		p := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
		grey := &image.Gray{Pix: src[:w*h], Stride: w, Rect: p.Rect}
		e, dst := NewEncoder(80), make([]byte, 0, 1<<20)
		ours := func(f func(dst, src []byte, w, h, stride int) ([]byte, error)) func() int {
			return func() int {
				dst, _ = f(dst[:0], src, w, h, 0)
				return len(dst)
			}
		}
		var out bytes.Buffer
		theirs := func(m image.Image) int {
			out.Reset()
			_ = jpeg.Encode(&out, m, &jpeg.Options{Quality: 80})
			return out.Len()
		}
		for _, x := range []struct {
			name string
			one  func() int
		}{
			{"nv12/ours", ours(e.EncodeNV12)},
			{"nv12/image-jpeg", func() int { deinterleave(p, src, w, h); return theirs(p) }},
			{"grey/ours", ours(e.EncodeGrey)},
			{"grey/image-jpeg", func() int { return theirs(grey) }},
		} {
			b.Run(fmt.Sprintf("noise=%v/%s", noise, x.name), func(b *testing.B) {
				b.ReportAllocs()
				n := 0
				for b.Loop() {
					n = x.one()
				}
				b.ReportMetric(float64(n), "bytes/frame")
			})
		}
	}
}
