package render

import (
	"bytes"
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"vchat/daemon/mjpeg"
)

// randomPlanes returns planes of noise. subX 0: grey.
func randomPlanes(w, h, subX, subY int) *mjpeg.Planes {
	rng := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	noise := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	p := &mjpeg.Planes{W: w, H: h, YStride: w, Y: noise(w * h), SubX: 1, SubY: 1}
	if subX > 0 {
		p.SubX, p.SubY, p.CStride = subX, subY, chromaLen(w, subX)
		n := p.CStride * chromaLen(h, subY)
		p.Cb, p.Cr = noise(n), noise(n)
	}
	return p
}

// catmullRom is the exact filter.
func catmullRom(samples func(i int) float64, pos float64) float64 {
	sum := 0.0
	for i := int(math.Floor(pos)) - 1; i <= int(math.Floor(pos))+2; i++ {
		x := math.Abs(float64(i) - pos)
		switch {
		case x < 1:
			sum += samples(i) * (1.5*x*x*x - 2.5*x*x + 1)
		case x < 2:
			sum += samples(i) * (-0.5*x*x*x + 2.5*x*x - 4*x + 2)
		}
	}
	return sum
}

// Luma is within the precision of the weights of the exact cubic filter.
func TestEnlarge_cubic(t *testing.T) {
	const w, h = 32, 24
	p := randomPlanes(w, h, 0, 0)
	line := func(b []byte, n int) func(int) float64 {
		return func(i int) float64 { return float64(b[min(max(i, 0), n-1)]) }
	}
	position := func(x, m, n int) float64 {
		return min(max(0, (float64(x)+0.5)*float64(n)/float64(m)-0.5), float64(n-1))
	}
	for _, to := range [][2]int{{64, 48}, {96, 72}, {71, 53}, {33, 25}, {320, 240}} {
		t.Run(fmt.Sprintf("%dx%d", to[0], to[1]), func(t *testing.T) {
			px := pixels(to[0], to[1], BGRX, 0)
			NewPainter(noRecover).Paint(px, &Frame{Planes: p}, nil, 1, &Overlay{}, false)
			rect := fit(w, h, image.Rect(0, 0, to[0], to[1]), 1)
			most := 0.0
			for y := range rect.Dy() {
				for x := range rect.Dx() {
					across := position(x, rect.Dx(), w)
					want := catmullRom(func(j int) float64 {
						row := p.Y[min(max(j, 0), h-1)*w:][:w]
						return min(max(catmullRom(line(row, w), across), 0), 255)
					}, position(y, rect.Dy(), h))
					got := px.Pix[(rect.Min.Y+y)*px.Stride+4*(rect.Min.X+x)]
					most = max(most, math.Abs(min(max(want, 0), 255)-float64(got)))
				}
			}
			if most > 8 {
				t.Errorf("got pixels off by up to %.1f, want at most 8", most)
			}
		})
	}
}

// A plane of one colour stays so, whatever the subsampling and the sizes.
func TestEnlarge_flat(t *testing.T) {
	for _, sub := range [][2]int{{0, 0}, {1, 1}, {2, 1}, {2, 2}, {1, 2}, {4, 1}, {4, 2}} {
		for _, size := range [][4]int{
			{1, 1, 9, 9}, {2, 1, 16, 8}, {3, 5, 31, 52}, {17, 11, 18, 12}, {33, 31, 66, 62}, {640, 360, 1280, 720},
		} {
			t.Run(fmt.Sprintf("%v %v", sub, size), func(t *testing.T) {
				p := randomPlanes(size[0], size[1], sub[0], sub[1])
				for _, plane := range [][]byte{p.Y, p.Cb, p.Cr} {
					for i := range plane {
						plane[i] = 150
					}
				}
				want := make([]byte, 4*size[0]*size[1])
				p.PutBGRX(want, 4*size[0])
				px := pixels(size[2], size[3], BGRX, 0)
				NewPainter(noRecover).Paint(px, &Frame{Planes: p}, nil, 1, &Overlay{}, false)
				rect := fit(size[0], size[1], image.Rect(0, 0, size[2], size[3]), 1)
				for y := rect.Min.Y; y < rect.Max.Y; y++ {
					for x := rect.Min.X; x < rect.Max.X; x++ {
						if got := px.Pix[y*px.Stride+4*x:][:3]; !bytes.Equal(got, want[:3]) {
							t.Fatalf("got %v at %d,%d, want %v", got, x, y, want[:3])
						}
					}
				}
			})
		}
	}
}

// Bands that are painted in parallel fit together.
func TestEnlarge_bands(t *testing.T) {
	p := randomPlanes(321, 181, 2, 2)
	paint := func(procs int) []byte {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		px := pixels(1000, 563, BGRX, 0)
		NewPainter(noRecover).Paint(px, &Frame{Planes: p}, nil, 1, &Overlay{}, false)
		return px.Pix
	}
	if !bytes.Equal(paint(1), paint(7)) {
		t.Error("got other pixels in seven bands than in one")
	}
}

// BenchmarkEnlarge reports what painting a frame takes on one processor: as it
// is, and enlarged.
func BenchmarkEnlarge(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, size := range [][4]int{
		{1280, 720, 1280, 720}, {640, 360, 1280, 720}, {320, 180, 1280, 720}, {1280, 720, 1920, 1080},
		{640, 360, 1920, 1080},
	} {
		b.Run(fmt.Sprintf("%dx%d to %dx%d", size[0], size[1], size[2], size[3]), func(b *testing.B) {
			f := &Frame{Planes: randomPlanes(size[0], size[1], 2, 1)}
			for _, plane := range [][]byte{f.Planes.Y, f.Planes.Cb, f.Planes.Cr} {
				for i := range plane {
					plane[i] = plane[i]/4 + 96 // photos are rarely at the ends of the range
				}
			}
			px := pixels(size[2], size[3], BGRX, 0)
			p := NewPainter(noRecover)
			least := time.Hour
			for b.Loop() {
				began := time.Now()
				p.Paint(px, f, nil, 1, &Overlay{}, false)
				least = min(least, time.Since(began))
			}
			b.ReportMetric(least.Seconds()*1000, "ms-least")
		})
	}
}
