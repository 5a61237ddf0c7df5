package mjpeg

import (
	"bytes"
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	"testing"
	"time"
)

// timeOf returns the run time of f.
func timeOf(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

// benchmarkAgainst runs ours and theirs in turn. It reports the shortest time
// of each, which other programs disturb least, and the ratio.
func benchmarkAgainst(b *testing.B, ours, theirs func()) {
	own, other := time.Hour, time.Hour
	for b.Loop() {
		own, other = min(own, timeOf(ours)), min(other, timeOf(theirs))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(own.Seconds()*1000, "ms-ours")
	b.ReportMetric(other.Seconds()*1000, "ms-image-jpeg")
	b.ReportMetric(other.Seconds()/own.Seconds(), "times-as-fast")
}

func BenchmarkDecode(b *testing.B) {
	const w, h = 1280, 720
	for _, noise := range []float64{1, 4} {
		yuyv := scene(w, h, 2*w, noise)
		e := NewEncoder(85)
		src422, err := e.EncodeYUYV(nil, yuyv, w, h, 0)
		if err != nil {
			b.Fatal(err)
		}
		src420, err := e.EncodeNV12(nil, nv12(yuyv, w, h, 2*w, w), w, h, 0)
		if err != nil {
			b.Fatal(err)
		}
		for _, src := range []struct {
			sampling string
			b        []byte
		}{{"422", src422}, {"420", src420}} {
			for _, scale := range []int{1, 2, 4, 8} {
				b.Run(fmt.Sprintf("%s/%dKB/scale=%d", src.sampling, len(src.b)>>10, scale), func(b *testing.B) {
					var d Decoder
					benchmarkAgainst(b, func() {
						if _, err := d.Decode(src.b, scale); err != nil {
							b.Fatal(err)
						}
					}, func() {
						if _, err := jpeg.Decode(bytes.NewReader(src.b)); err != nil {
							b.Fatal(err)
						}
					})
				})
			}
		}
	}
}

func BenchmarkPixels(b *testing.B) {
	const w, h = 1280, 720
	src, err := NewEncoder(85).EncodeYUYV(nil, scene(w, h, 2*w, 2), w, h, 0)
	if err != nil {
		b.Fatal(err)
	}
	var d Decoder
	p := mustDecode(b, &d, src, 1)
	dst := make([]byte, 4*w*h)
	img, out := stdDecode(b, src), image.NewRGBA(image.Rect(0, 0, w, h))
	for name, put := range map[string]func([]byte, int){"BGRX": p.PutBGRX, "RGBX": p.PutRGBX, "RGB565": p.PutRGB565} {
		b.Run(name, func(b *testing.B) {
			benchmarkAgainst(b,
				func() { put(dst, 4*w) },
				func() { draw.Draw(out, out.Rect, img, image.Point{}, draw.Src) })
		})
	}
}
