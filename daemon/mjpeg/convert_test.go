package mjpeg

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// allColours returns a frame with 64 values of each of Y, Cb and Cr, in all
// combinations.
func allColours(subX, subY int) *Planes {
	p := &Planes{W: 64 * subX, H: 64 * 64 * subY, SubX: subX, SubY: subY, YStride: 64*subX + 3, CStride: 64 + 5}
	p.Y, p.Cb, p.Cr = make([]byte, p.YStride*p.H), make([]byte, p.CStride*64*64), make([]byte, p.CStride*64*64)
	value := func(i int) byte { return byte(i * 255 / 63) }
	for y := range p.H {
		for x := range p.W {
			p.Y[y*p.YStride+x] = value((x + y/64) % 64)
			p.Cb[y/subY*p.CStride+x/subX] = value(x / subX)
			p.Cr[y/subY*p.CStride+x/subX] = value(y / subY % 64)
		}
	}
	return p
}

// rgbOf converts with JFIF's formula.
func rgbOf(y, cb, cr byte) [3]float64 {
	l, b, r := float64(y), float64(cb)-128, float64(cr)-128
	clamp := func(v float64) float64 { return min(max(v, 0), 255) }
	return [3]float64{clamp(l + 1.402*r), clamp(l - 0.344136286*b - 0.714136286*r), clamp(l + 1.772*b)}
}

func TestPlanes_pixelsMatchJFIF(t *testing.T) {
	for _, sub := range [][2]int{{1, 1}, {2, 1}, {2, 2}, {1, 2}, {4, 1}, {0, 0}} {
		p := allColours(max(sub[0], 1), max(sub[1], 1))
		if sub[0] == 0 {
			p.Cb, p.Cr = nil, nil
		}
		t.Run(fmt.Sprint(sub), func(t *testing.T) { checkPixels(t, p) })
	}
}

// Rows end within four pixels, within a chroma sample, and after a piece. The
// planes have no padding after the last sample.
func TestPlanes_anySize(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	noise := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	widths := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 17, 31,
		pieceLen - 1, pieceLen, pieceLen + 1, pieceLen + 6, 2*pieceLen + 3}
	for _, sub := range [][2]int{{1, 1}, {2, 1}, {2, 2}, {1, 2}, {4, 1}, {4, 2}} {
		for _, w := range widths {
			for h := range 5 {
				p := &Planes{W: w, H: h + 1, SubX: sub[0], SubY: sub[1], YStride: w, CStride: (w + sub[0] - 1) / sub[0]}
				n := p.CStride * ((p.H + p.SubY - 1) / p.SubY)
				p.Y, p.Cb, p.Cr = noise(w*p.H), noise(n), noise(n)
				checkPixels(t, p)
			}
		}
	}
}

// Neutral chroma gives exactly the luma.
func TestPlanes_neutralChromaIsGrey(t *testing.T) {
	p := &Planes{W: 256, H: 1, SubX: 1, SubY: 1, YStride: 256, CStride: 256, Y: make([]byte, 256)}
	p.Cb = bytes.Repeat([]byte{128}, 256)
	p.Cr = p.Cb
	for i := range p.Y {
		p.Y[i] = byte(i)
	}
	pix := make([]byte, 4*256)
	p.PutBGRX(pix, 0)
	for i := range 256 {
		if v := byte(i); !bytes.Equal(pix[4*i:4*i+4], []byte{v, v, v, 255}) {
			t.Fatalf("luma %d: got %v, want it three times and 255", i, pix[4*i:4*i+4])
		}
	}
}

// checkPixels compares all pixel formats with JFIF's formula.
func checkPixels(t *testing.T, p *Planes) {
	t.Helper()
	want := func(x, y int) [3]float64 {
		l, at := p.Y[y*p.YStride+x], y/p.SubY*p.CStride+x/p.SubX
		if p.Cb == nil {
			return [3]float64{float64(l), float64(l), float64(l)}
		}
		return rgbOf(l, p.Cb[at], p.Cr[at])
	}
	stride := 4*p.W + 8
	bgrx, rgbx, rgb565 := make([]byte, stride*p.H-8), make([]byte, stride*p.H-8), make([]byte, stride*p.H-8)
	p.PutBGRX(bgrx, stride)
	p.PutRGBX(rgbx, stride)
	p.PutRGB565(rgb565, stride)
	for y := range p.H {
		for x := range p.W {
			a, b := bgrx[y*stride+4*x:], rgbx[y*stride+4*x:]
			if a[0] != b[2] || a[1] != b[1] || a[2] != b[0] || a[3] != 0xFF || b[3] != 0xFF {
				t.Fatalf("%d,%d: got BGRX %v, RGBX %v; want the same in reverse order", x, y, a[:4], b[:4])
			}
			short := uint16(b[0]>>3)<<11 | uint16(b[1]>>2)<<5 | uint16(b[2]>>3)
			if got := binary.LittleEndian.Uint16(rgb565[y*stride+2*x:]); got != short {
				t.Fatalf("%d,%d: got RGB565 %04x, want %04x", x, y, got, short)
			}
			for i, w := range want(x, y) {
				if math.Abs(float64(b[i])-w) > 1 {
					t.Fatalf("%d,%d: got RGBX %v, want %v", x, y, b[:4], want(x, y))
				}
			}
		}
		if y+1 < p.H {
			for i := range 8 {
				if bgrx[y*stride+4*p.W+i] != 0 || rgbx[y*stride+4*p.W+i] != 0 || rgb565[y*stride+2*p.W+i] != 0 {
					t.Fatal("bytes between the rows changed")
				}
			}
		}
	}
}
