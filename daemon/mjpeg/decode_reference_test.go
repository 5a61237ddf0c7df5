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

// basis[n] is the value of frequency k at sample x of n, times the root of n.
var basis = func() (b [9][8][8]float64) {
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

// floatBlock is the transform of the n by n lowest frequencies of a block to as many samples, A.3.3, without rounding.
func floatBlock(block *[64]int, n int) (samples [64]float64) {
	var columns [8][8]float64 // of row v, column x
	for v := range n {
		for u := range n {
			if c := float64(block[zigzag[8*v+u]]); c != 0 {
				for x := range n {
					columns[v][x] += basis[n][u][x] * c
				}
			}
		}
	}
	for y := range n {
		for x := range n {
			sum := 0.0
			for v := range n {
				sum += basis[n][v][y] * columns[v][x]
			}
			samples[y*n+x] = min(max(sum/8+128, 0), 255)
		}
	}
	return samples
}

// Each sample is within 1 of the exact transform, at every scale, and so are all blocks where they belong.
func TestDecodeIsNearTheExactTransform(t *testing.T) {
	var d Decoder
	for name, b := range decodable(t) {
		var r Requantiser
		load(t, &r, b)
		blocks, component := coefficientsOf(&r)
		g := &r.shape
		for _, n := range []int{8, 4, 2, 1} {
			p := decode(t, &d, b, 8/n)
			if w, h := (g.width*n+7)/8, (g.height*n+7)/8; p.W != w || p.H != h {
				t.Fatalf("%s at 1/%d: %dx%d, want %dx%d", name, 8/n, p.W, p.H, w, h)
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
				want := floatBlock(&blocks[i], n)
				for j := range n * n {
					most = max(most, math.Abs(want[j]-float64(plane[(y+j/n)*stride+x+j%n])))
				}
			}
			if most > 1 {
				t.Errorf("%s at 1/%d: off by %.2f", name, 8/n, most)
			}
		}
	}
}

// djpeg makes libjpeg decode a frame to samples, at 1/scale: three planes as one, or one. Adobe's segment instead of JFIF's makes it
// take Y, Cb and Cr for red, green and blue, and leave them as they are.
func djpeg(t *testing.T, b []byte, scale int) (pix []byte, w, h, planes int) {
	t.Helper()
	tool, err := exec.LookPath("djpeg")
	if err != nil && os.Getenv("VCHAT_TEST_TOOLS") != "" {
		t.Fatal("djpeg is not installed: package libjpeg-turbo-progs")
	} else if err != nil {
		t.Skip("djpeg is not installed")
	}
	b = insert(t, without(t, b, mAPP0), mDQT, 0xFF, mAPP0+14, 0, 14, 'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, 0)
	cmd := exec.Command(tool, "-pnm", "-dct", "int", "-nosmooth", "-scale", fmt.Sprintf("1/%d", scale))
	var out, complaint bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(b), &out, &complaint
	if err := cmd.Run(); err != nil || complaint.Len() > 0 {
		t.Fatalf("djpeg: %v, %s", err, complaint.String())
	}
	var kind, most int
	if _, err := fmt.Sscanf(out.String(), "P%d\n%d %d\n%d\n", &kind, &w, &h, &most); err != nil || most != 255 {
		t.Fatalf("djpeg made %.20q, %v", out.String(), err)
	}
	planes = 2*kind - 9 // P5: 1, P6: 3
	if out.Len() < planes*w*h {
		t.Fatalf("djpeg made %d bytes of %dx%d", out.Len(), w, h)
	}
	return out.Bytes()[out.Len()-planes*w*h:], w, h, planes
}

// At full size, and at 1/8, the samples are those of libjpeg's slow integer transform, bit for bit. At 1/2 and 1/4 it averages
// samples instead of leaving the high frequencies away, which blurs, and where it can it makes chroma larger: there luma is near
// it in the mean, and so is chroma where its size is the same. Of text, which is nothing but high frequencies, it is farther.
func TestDecodeAgreesWithLibjpeg(t *testing.T) {
	var d Decoder
	for name, b := range decodable(t) {
		switch name {
		case "padded", "padded-restarts", "fill-bytes":
			continue // djpeg complains of the first two, and the last one is not for insert
		}
		for _, scale := range []int{1, 2, 4, 8} {
			p := decode(t, &d, b, scale)
			pix, w, h, planes := djpeg(t, b, scale)
			if w != p.W || h != p.H || (planes == 1) != (p.Cb == nil) {
				t.Fatalf("%s at 1/%d: %dx%d, djpeg has %dx%d in %d planes", name, scale, p.W, p.H, w, h, planes)
			}
			least := 99.0 // dB: equal
			switch {
			case strings.HasPrefix(name, "text") && (scale == 2 || scale == 4):
				least = 21
			case scale == 2 || scale == 4:
				least = 30
			}
			luma, cb, cr := apart(p, pix, planes)
			if luma < least {
				t.Errorf("%s at 1/%d: luma is %.1f dB from djpeg's, want %.0f", name, scale, luma, least)
			}
			if sameSize := scale == 1 || p.SubX*p.SubY < 4; sameSize && min(cb, cr) < least {
				t.Errorf("%s at 1/%d: chroma is %.1f and %.1f dB from djpeg's, want %.0f", name, scale, cb, cr, least)
			}
		}
	}
}

// apart is the PSNR of each plane against samples of one to three planes, chroma repeated.
func apart(p *Planes, pix []byte, planes int) (luma, cb, cr float64) {
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
