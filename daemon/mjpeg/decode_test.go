package mjpeg

import (
	"errors"
	"fmt"
	"image"
	"testing"
)

// decodableFrames returns testFrames and larger frames of several scenes and
// qualities, in every sampling of the Encoder.
func decodableFrames(t testing.TB) map[string][]byte {
	m := testFrames(t)
	delete(m, "rgb") // see TestDecode_rgb
	const w, h = 166, 117
	for name, yuyv := range scenes(w, h) {
		for _, quality := range []int{10, 50, 90, 100} {
			e := NewEncoder(quality)
			b, err := e.EncodeYUYV(nil, yuyv, w, h, 0)
			planes := nv12(yuyv, w, h, 2*w, w)
			c, err2 := e.EncodeNV12(nil, planes, w, h, w)
			g, err3 := e.EncodeGrey(nil, planes[:w*h], w, h, w)
			if err := errors.Join(err, err2, err3); err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprint(name, "@", quality)
			m[name+"-422"], m[name+"-420"], m[name+"-grey"] = b, c, g
		}
	}
	return m
}

func mustDecode(t testing.TB, d *Decoder, b []byte, scale int) *Planes {
	t.Helper()
	p, err := d.Decode(b, scale)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// maxPlaneDiff returns the largest difference between w by h samples of two
// planes.
func maxPlaneDiff(a []byte, astride int, b []byte, bstride, w, h int) (most int) {
	for y := range h {
		for x := range w {
			most = max(most, abs(a[y*astride+x], b[y*bstride+x]))
		}
	}
	return most
}

// maxImageDiff returns the largest difference between the samples of p and img.
func maxImageDiff(t testing.TB, p *Planes, img image.Image) int {
	t.Helper()
	if img.Bounds() != image.Rect(0, 0, p.W, p.H) {
		t.Fatalf("got %dx%d, image/jpeg has %v", p.W, p.H, img.Bounds())
	}
	switch img := img.(type) {
	case *image.Gray:
		if p.Cb != nil || p.Cr != nil {
			t.Fatal("got chroma in a grey frame")
		}
		return maxPlaneDiff(p.Y, p.YStride, img.Pix, img.Stride, p.W, p.H)
	case *image.YCbCr:
		cw, ch := (p.W+p.SubX-1)/p.SubX, (p.H+p.SubY-1)/p.SubY
		if dx, dy := img.COffset(p.W-1, 0)+1, img.COffset(0, p.H-1)/img.CStride+1; dx != cw || dy != ch {
			t.Fatalf("got %d:%d chroma, image/jpeg has %v", p.SubX, p.SubY, img.SubsampleRatio)
		}
		return max(maxPlaneDiff(p.Y, p.YStride, img.Y, img.YStride, p.W, p.H),
			maxPlaneDiff(p.Cb, p.CStride, img.Cb, img.CStride, cw, ch),
			maxPlaneDiff(p.Cr, p.CStride, img.Cr, img.CStride, cw, ch))
	}
	t.Fatalf("got %T from image/jpeg", img)
	return 0
}

func TestDecode_matchesImageJPEG(t *testing.T) {
	var d Decoder
	for name, b := range decodableFrames(t) {
		t.Run(name, func(t *testing.T) {
			p := mustDecode(t, &d, b, 1)
			if name == "no-tables" {
				info, _ := Check(b)
				b = Complete(nil, b, info)
			}
			if most := maxImageDiff(t, p, stdDecode(t, b)); most > 1 {
				t.Errorf("got samples that differ by %d, want at most 1", most)
			}
		})
	}
}

func TestDecode_allocations(t *testing.T) {
	all := testFrames(t)
	var d Decoder
	dst := make([]byte, 4*83*61)
	run := func() {
		for _, name := range []string{"422", "optimised", "restart-each", "grey"} {
			for _, scale := range []int{1, 2, 4, 8} {
				p := mustDecode(t, &d, all[name], scale)
				p.PutBGRX(dst, 4*p.W)
				p.PutRGBX(dst, 4*p.W)
				p.PutRGB565(dst, 2*p.W)
			}
		}
	}
	run()
	if n := testing.AllocsPerRun(10, run); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}
