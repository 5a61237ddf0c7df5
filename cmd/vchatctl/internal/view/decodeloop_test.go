package view

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"testing"
	"time"

	"vchat/daemon/client"
	"vchat/daemon/mjpeg"
)

// encoded returns a JPEG of w by h pixels.
func encoded(t testing.TB, w, h int, at func(x, y int) color.Color) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, at(x, y))
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// quarters returns an image of four colors: red and green above blue and white.
func quarters(w, h int) func(x, y int) color.Color {
	return func(x, y int) color.Color {
		return [...]color.Color{color.RGBA{255, 0, 0, 255}, color.RGBA{0, 255, 0, 255},
			color.RGBA{0, 0, 255, 255}, color.White}[y*2/h*2+x*2/w]
	}
}

// decodedFor decodes a frame as a decodeLoop does for a place of w by h pixels.
func decodedFor(t testing.TB, data []byte, rotate, w, h int) *decoded {
	t.Helper()
	p := &Frame{Received: time.Now()}
	p.Data, p.Rotate = data, rotate
	d := &decoded{}
	if d.decode(p, w, h); d.Planes == nil {
		t.Fatal(d.err)
	}
	return d
}

func TestDecode_scalesDown(t *testing.T) {
	data := encoded(t, 640, 480, quarters(640, 480))
	for _, tt := range []struct{ rotate, w, h, want int }{
		{0, 640, 480, 640}, {0, 641, 481, 640}, {0, 1920, 1080, 640}, {0, 639, 480, 640}, {0, 320, 240, 320},
		{0, 320, 1000, 320}, {0, 321, 1000, 640}, {0, 80, 60, 80}, {0, 1, 1, 80},
		{90, 240, 320, 320}, {90, 320, 240, 320}, {270, 480, 640, 640},
	} {
		t.Run(fmt.Sprintf("%dx%d rotated by %d", tt.w, tt.h, tt.rotate), func(t *testing.T) {
			d := decodedFor(t, data, tt.rotate, tt.w, tt.h)
			if d.Planes.W != tt.want {
				t.Errorf("got %d pixels wide, want %d", d.Planes.W, tt.want)
			}
			if d.W*d.H != 640*480 || d.Rotate != tt.rotate {
				t.Errorf("got %dx%d rotated by %d, want the size and rotation as sent", d.W, d.H, d.Rotate)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	gradient := func(x, y int) color.Color { return color.RGBA{uint8(x), uint8(y), uint8(x * y >> 4), 255} }
	data := encoded(b, 1280, 720, gradient)
	p := &Frame{}
	p.Data = data
	d := &decoded{}
	for b.Loop() {
		d.decode(p, 1280, 720)
	}
}

// oneFrame is a source of one frame.
type oneFrame struct {
	data []byte
	sent bool
}

func (s *oneFrame) Next() (client.Frame, error) {
	if s.sent {
		return client.Frame{}, io.EOF
	}
	s.sent = true
	return client.Frame{Data: s.data}, nil
}

func TestDecodeLoop_raw(t *testing.T) {
	var coarse bytes.Buffer
	m := image.NewGray(image.Rect(0, 0, 64, 64))
	for i := range m.Pix {
		m.Pix[i] = uint8(2*(i%64) + i/64)
	}
	if err := jpeg.Encode(&coarse, m, &jpeg.Options{Quality: 10}); err != nil {
		t.Fatal(err)
	}
	frame := func(raw bool) []byte {
		n := ReadNewest(&oneFrame{data: coarse.Bytes()})
		defer n.Wait()
		l := newDecodeLoop(t.Context(), n, 64, 64, raw, func() {})
		defer l.close()
		l.show(<-l.ready)
		return l.frame().Planes.Y
	}
	var d mjpeg.Decoder
	want, err := d.Decode(coarse.Bytes(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(frame(true), want.Y) {
		t.Error("got a filtered frame with raw, want it as sent")
	}
	if bytes.Equal(frame(false), want.Y) {
		t.Error("got a frame as sent without raw, want its blocks softened")
	}
}
