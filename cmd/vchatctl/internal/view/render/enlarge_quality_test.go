package render

import (
	"math"
	"math/rand/v2"
	"testing"

	"vchat/daemon/mjpeg"
)

// naturalFrame returns packed YUYV that resembles a photo: noise whose strength
// falls with its frequency, over slopes and a few edges.
func naturalFrame(w, h int) []byte {
	rng := rand.New(rand.NewPCG(7, 8))
	luma := make([]float64, w*h)
	for cell, strength := 128, 40.0; cell >= 2; cell, strength = cell/2, strength/2 {
		across := w/cell + 2
		grid := make([]float64, across*(h/cell+2))
		for i := range grid {
			grid[i] = strength * rng.NormFloat64()
		}
		for i := range luma {
			x, y := float64(i%w)/float64(cell), float64(i/w)/float64(cell)
			at, fx, fy := int(y)*across+int(x), x-math.Floor(x), y-math.Floor(y)
			luma[i] += (grid[at]*(1-fx)+grid[at+1]*fx)*(1-fy) + (grid[at+across]*(1-fx)+grid[at+across+1]*fx)*fy
		}
	}
	b := make([]byte, 2*w*h)
	for i, v := range luma {
		x, y := i%w-w/2, i/w-h/2
		if x*x+y*y < h*h/9 {
			v += 60
		}
		b[2*i], b[2*i+1] = byte(min(max(v+110, 0), 255)), byte(128+40*math.Sin(float64(i%w+i/w)/300))
	}
	return b
}

// What a viewer shows of a 720p camera at 1 Mbit/s is closest to the camera's
// frame if that was sent at three eighths of its size, with softened blocks.
func TestEnlarge_reducedFrame(t *testing.T) {
	const w, h = 1280, 720
	const limit = 1_000_000 / 8 / 30
	camera, err := mjpeg.NewEncoder(90).EncodeYUYV(nil, naturalFrame(w, h), w, h, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := mjpeg.Check(camera)
	if err != nil {
		t.Fatal(err)
	}
	painted := func(b []byte, deblock bool) []byte {
		d := mjpeg.Decoder{Deblock: deblock}
		planes, err := d.Decode(b, 1)
		if err != nil {
			t.Fatal(err)
		}
		px := Pixels{Pix: make([]byte, 4*w*h), Stride: 4 * w, W: w, H: h}
		NewPainter(noRecover).Paint(px, &Frame{Planes: planes}, nil, 1, &Overlay{}, false)
		return px.Pix
	}
	want := painted(camera, false)
	psnr := func(got []byte) float64 {
		sum := 0.0
		for i := range got {
			d := float64(got[i]) - float64(want[i])
			sum += d * d
		}
		return 10 * math.Log10(255*255*float64(3*w*h)/sum) // the fourth byte is always 255
	}
	soft := map[int]float64{}
	for _, eighths := range []int{8, 4, 3} {
		var r mjpeg.Requantiser
		if err := r.Load(camera, info); err != nil {
			t.Fatal(err)
		}
		if eighths < 8 {
			r.Shrink(eighths)
		}
		b, scale := r.AppendWithin(nil, limit)
		plain := psnr(painted(b, false))
		soft[eighths] = psnr(painted(b, true))
		t.Logf("%d/8: %d bytes at scale %d: %.2f dB as sent, %.2f dB softened",
			eighths, len(b), scale, plain, soft[eighths])
		if eighths < 8 && soft[eighths] < plain+minSoftGain {
			t.Errorf("at %d/8: got %.2f dB with softened blocks and %.2f dB without, want %v dB more",
				eighths, soft[eighths], plain, minSoftGain)
		}
		if eighths == 3 && len(b) > limit {
			t.Errorf("got %d bytes, want at most %d", len(b), limit)
		}
	}
	if soft[3] < soft[4]+minSmallGain {
		t.Errorf("got %.2f dB at 3/8 and %.2f dB at 4/8, want %v dB more", soft[3], soft[4], minSmallGain)
	}
}

const (
	minSoftGain  = 1 // dB
	minSmallGain = 1 // dB
)
