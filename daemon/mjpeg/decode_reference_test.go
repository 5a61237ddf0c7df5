package mjpeg

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// dctBasis[n] is the value of frequency k at sample x of n, times the root of
// n.
var dctBasis = func() (b [9][8][8]float64) {
	for n := range b {
		for k := range n {
			for x := range n {
				b[n][k][x] = math.Sqrt2 * math.Cos(float64(2*x+1)*float64(k)*math.Pi/float64(2*n))
				if k == 0 {
					b[n][k][x] = 1
				}
			}
		}
	}
	return b
}()

// exactIDCT transforms the n by n lowest frequencies of a block to n by n
// samples, A.3.3, without rounding.
func exactIDCT(block *[64]int, n int) (samples [64]float64) {
	var columns [8][8]float64 // row v, column x
	for v := range n {
		for u := range n {
			if c := float64(block[zigzag[8*v+u]]); c != 0 {
				for x := range n {
					columns[v][x] += dctBasis[n][u][x] * c
				}
			}
		}
	}
	for y := range n {
		for x := range n {
			sum := 0.0
			for v := range n {
				sum += dctBasis[n][v][y] * columns[v][x]
			}
			samples[y*n+x] = min(max(sum/8+128, 0), 255)
		}
	}
	return samples
}

// Each sample is within 1 of the exact transform at every scale, and each block
// is in its place.
func TestDecode_exactTransform(t *testing.T) {
	var d Decoder
	for name, b := range decodableFrames(t) {
		t.Run(name, func(t *testing.T) {
			var r Requantiser
			mustLoad(t, &r, b)
			blocks, component := coefficientsOf(&r)
			g := &r.geometry
			for _, n := range []int{8, 4, 2, 1} {
				p := mustDecode(t, &d, b, 8/n)
				if w, h := (g.width*n+7)/8, (g.height*n+7)/8; p.W != w || p.H != h {
					t.Fatalf("at 1/%d: got %dx%d, want %dx%d", 8/n, p.W, p.H, w, h)
				}
				most, in := 0.0, [10]int{}
				for i := range blocks {
					if i%g.perMCU == 0 {
						in = [10]int{}
					}
					c := &g.comps[component[i]]
					m := i / g.perMCU
					plane, stride := [][]byte{p.Y, p.Cb, p.Cr}[component[i]], p.CStride
					if component[i] == 0 {
						stride = p.YStride
					}
					nth := in[component[i]]
					in[component[i]]++
					x, y := (m%g.across*c.h+nth%c.h)*n, (m/g.across*c.v+nth/c.h)*n
					want := exactIDCT(&blocks[i], n)
					for j := range n * n {
						most = max(most, math.Abs(want[j]-float64(plane[(y+j/n)*stride+x+j%n])))
					}
				}
				if most > 1 {
					t.Errorf("at 1/%d: got samples off by %.2f, want at most 1", 8/n, most)
				}
			}
		})
	}
}

// djpegPath returns the path of libjpeg's decoder. It skips the test if there
// is none.
func djpegPath(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("djpeg")
	if err != nil && os.Getenv("VCHAT_TEST_TOOLS") != "" {
		t.Fatal("djpeg is not installed: package libjpeg-turbo-progs")
	} else if err != nil {
		t.Skip("djpeg is not installed")
	}
	return path
}

// parsePPM returns the samples of a PPM file.
func parsePPM(t *testing.T, b []byte) (pix []byte, w, h int) {
	t.Helper()
	var kind, most int
	header := string(b[:min(len(b), 40)])
	if _, err := fmt.Sscanf(header, "P%d\n%d %d\n%d\n", &kind, &w, &h, &most); err != nil || most != 255 {
		t.Fatalf("got %.20q from djpeg, %v", b, err)
	}
	n := (2*kind - 9) * w * h // P5: 1, P6: 3
	if len(b) < n {
		t.Fatalf("got %d bytes of %dx%d from djpeg", len(b), w, h)
	}
	return b[len(b)-n:], w, h
}

// djpeg decodes a frame with libjpeg at 1/scale to one or three interleaved
// components. Adobe's segment instead of JFIF's makes it take Y, Cb and Cr for
// red, green and blue, and leave them unchanged.
func djpeg(t *testing.T, b []byte, scale int) (pix []byte, w, h, planes int) {
	t.Helper()
	b = insertBefore(t, without(t, b, mAPP0), mDQT, adobeSegment(0)...)
	cmd := exec.Command(djpegPath(t), "-pnm", "-dct", "int", "-nosmooth", "-scale", fmt.Sprintf("1/%d", scale))
	var out, complaint bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(b), &out, &complaint
	if err := cmd.Run(); err != nil || complaint.Len() > 0 {
		t.Fatalf("djpeg: %v, %s", err, complaint.String())
	}
	pix, w, h = parsePPM(t, out.Bytes())
	return pix, w, h, len(pix) / (w * h)
}

// At full size and at 1/8 the samples equal those of libjpeg's slow integer
// transform. At 1/2 and 1/4 libjpeg averages samples, which blurs, and enlarges
// chroma where it can. There luma is similar, and so is chroma of the same
// size. Text has only high frequencies and differs more.
func TestDecode_matchesLibjpeg(t *testing.T) {
	var d Decoder
	for name, b := range decodableFrames(t) {
		t.Run(name, func(t *testing.T) {
			switch name {
			case "padded", "padded-restarts", "fill-bytes":
				return // djpeg warns about the first two; insertBefore cannot edit the third
			}
			for _, scale := range []int{1, 2, 4, 8} {
				p := mustDecode(t, &d, b, scale)
				pix, w, h, planes := djpeg(t, b, scale)
				if w != p.W || h != p.H || (planes == 1) != (p.Cb == nil) {
					t.Fatalf("at 1/%d: got %dx%d, djpeg has %dx%d in %d planes", scale, p.W, p.H, w, h, planes)
				}
				least := 99.0 // dB; equal samples
				switch {
				case strings.HasPrefix(name, "text") && (scale == 2 || scale == 4):
					least = 21
				case scale == 2 || scale == 4:
					least = 30
				}
				luma, cb, cr := planePSNR(p, pix, planes)
				if luma < least {
					t.Errorf("at 1/%d: got luma of %.1f dB compared to djpeg, want %.0f", scale, luma, least)
				}
				if sameSize := scale == 1 || p.SubX*p.SubY < 4; sameSize && min(cb, cr) < least {
					t.Errorf("at 1/%d: got chroma of %.1f and %.1f dB compared to djpeg, want %.0f",
						scale, cb, cr, least)
				}
			}
		})
	}
}

// planePSNR returns the PSNR of each plane against interleaved samples of one
// or three components with repeated chroma.
func planePSNR(p *Planes, pix []byte, planes int) (luma, cb, cr float64) {
	var squares [3]float64
	for y := range p.H {
		for x := range p.W {
			at, c := pix[(y*p.W+x)*planes:], y/p.SubY*p.CStride+x/p.SubX
			off := abs(p.Y[y*p.YStride+x], at[0])
			squares[0] += float64(off * off)
			if planes == 3 {
				off, off2 := abs(p.Cb[c], at[1]), abs(p.Cr[c], at[2])
				squares[1] += float64(off * off)
				squares[2] += float64(off2 * off2)
			}
		}
	}
	n := p.W * p.H
	return psnr(squares[0], n), psnr(squares[1], n), psnr(squares[2], n)
}
