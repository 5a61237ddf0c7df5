package render

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// solid returns an image of one color.
func solid(c color.Color) func(x, y int) color.Color {
	return func(int, int) color.Color { return c }
}

// decodedFor decodes a frame for a place of w by h pixels.
func decodedFor(t testing.TB, data []byte, rotate, w, h int) *Frame {
	t.Helper()
	info, err := mjpeg.Check(data)
	if err != nil {
		t.Fatal(err)
	}
	width, height := info.Width, info.Height
	if rotate%180 != 0 {
		width, height = height, width
	}
	var d mjpeg.Decoder
	planes, err := d.Decode(data, DecodeScale(width, height, w, h))
	if err != nil {
		t.Fatal(err)
	}
	return &Frame{Planes: planes, Rotate: rotate}
}

// pixels returns the memory of a display, with 6 bytes after each row that must
// stay unchanged.
func pixels(w, h int, f Format, fill byte) Pixels {
	stride := w*f.BytesPerPixel() + 6
	return Pixels{Pix: bytes.Repeat([]byte{fill}, stride*h), Stride: stride, W: w, H: h, Format: f}
}

// colorAt returns a letter for each channel of a pixel: a capital if it is
// bright, a small one if it is dimmed, "?" if it is neither.
func colorAt(px Pixels, x, y int) string {
	n := px.Format.BytesPerPixel()
	b := px.Pix[y*px.Stride+x*n:][:n]
	var r, g, bl int
	switch px.Format {
	case BGRX:
		r, g, bl = int(b[2]), int(b[1]), int(b[0])
	case RGBX:
		r, g, bl = int(b[0]), int(b[1]), int(b[2])
	case RGB565:
		v := int(b[0]) | int(b[1])<<8
		r, g, bl = v>>11<<3, v>>5&63<<2, v&31<<3
	}
	text := ""
	for i, v := range [...]int{r, g, bl} {
		switch {
		case v > 215:
			text += "RGB"[i : i+1]
		case v > 70 && v < 115:
			text += "rgb"[i : i+1]
		case v > 35:
			return "?"
		}
	}
	return text
}

func noRecover() {}

func TestPaint_placesTheFrame(t *testing.T) {
	for _, tt := range []struct {
		name   string
		w, h   int // of the frame
		rotate int
		inW    int // of the display
		inH    int
		aspect float64
		bars   image.Point // left and top
		want   string      // the quarters, in reading order
	}{
		{"same size", 64, 48, 0, 64, 48, 1, image.Pt(0, 0), "R G B RGB"},
		{"larger", 64, 48, 0, 200, 150, 1, image.Pt(0, 0), "R G B RGB"},
		{"smaller", 640, 480, 0, 100, 75, 1, image.Pt(0, 0), "R G B RGB"},
		{"very small", 640, 480, 0, 20, 15, 1, image.Pt(0, 0), "R G B RGB"},
		{"bars left and right", 64, 48, 0, 200, 60, 1, image.Pt(60, 0), "R G B RGB"},
		{"bars above and below", 64, 48, 0, 80, 160, 1, image.Pt(0, 50), "R G B RGB"},
		{"tall pixels", 64, 48, 0, 80, 60, 2, image.Pt(0, 15), "R G B RGB"},
		{"rotated by 90", 64, 48, 90, 96, 128, 1, image.Pt(0, 0), "B R RGB G"},
		{"rotated by 180", 64, 48, 180, 64, 48, 1, image.Pt(0, 0), "RGB B G R"},
		{"rotated by 270", 64, 48, 270, 48, 64, 1, image.Pt(0, 0), "G RGB R B"},
		{"rotated by 90 between bars", 640, 480, 90, 200, 64, 1, image.Pt(76, 0), "B R RGB G"},
	} {
		for _, format := range []Format{BGRX, RGBX, RGB565} {
			t.Run(fmt.Sprintf("%s, format %d", tt.name, format), func(t *testing.T) {
				f := decodedFor(t, encoded(t, tt.w, tt.h, quarters(tt.w, tt.h)), tt.rotate, tt.inW, tt.inH)
				px := pixels(tt.inW, tt.inH, format, 0x5A)
				p := NewPainter(noRecover)
				p.Paint(px, f, nil, tt.aspect, &Overlay{}, true)
				got := ""
				w, h := tt.inW-2*tt.bars.X, tt.inH-2*tt.bars.Y
				for i := range 4 {
					if i > 0 {
						got += " "
					}
					got += colorAt(px, tt.bars.X+w/4+i%2*w/2, tt.bars.Y+h/4+i/2*h/2)
				}
				if got != tt.want {
					t.Errorf("quarters: got %s, want %s", got, tt.want)
				}
				for _, at := range []image.Point{
					{tt.bars.X - 1, tt.inH / 3}, {tt.inW - tt.bars.X, tt.inH / 3},
					{tt.inW / 3, tt.bars.Y - 1}, {tt.inW / 3, tt.inH - tt.bars.Y},
				} {
					if at.In(image.Rect(0, 0, tt.inW, tt.inH)) && colorAt(px, at.X, at.Y) != "" {
						t.Errorf("bar at %v: got %s, want black", at, colorAt(px, at.X, at.Y))
					}
				}
				// Old contents do not matter; bytes between rows stay.
				again := pixels(tt.inW, tt.inH, format, 0xC3)
				p.Paint(again, f, nil, tt.aspect, &Overlay{}, true)
				n := tt.inW * format.BytesPerPixel()
				for y := range tt.inH {
					a, b := px.Pix[y*px.Stride:][:px.Stride], again.Pix[y*px.Stride:][:px.Stride]
					if !bytes.Equal(a[:n], b[:n]) {
						t.Fatalf("row %d depends on the old contents", y)
					}
					if !bytes.Equal(a[n:], bytes.Repeat([]byte{0x5A}, 6)) {
						t.Fatalf("bytes after row %d changed", y)
					}
				}
			})
		}
	}
}

func TestPaint_sameSizeIsUnchanged(t *testing.T) {
	gradient := func(x, y int) color.Color { return color.RGBA{uint8(x), uint8(y), uint8(x * y), 255} }
	d := decodedFor(t, encoded(t, 160, 120, gradient), 0, 160, 120)
	px := pixels(160, 120, BGRX, 0)
	want := slices.Clone(px.Pix)
	d.Planes.PutBGRX(want, px.Stride)
	NewPainter(noRecover).Paint(px, d, nil, 1, &Overlay{}, true)
	if diff := cmp.Diff(want, px.Pix); diff != "" {
		t.Error("got other pixels than the decoder's")
	}
}

func TestPaint_staleFrameIsDimmed(t *testing.T) {
	d := decodedFor(t, encoded(t, 64, 48, quarters(64, 48)), 0, 64, 48)
	px := pixels(64, 48, BGRX, 0)
	NewPainter(noRecover).Paint(px, d, nil, 1, &Overlay{Stale: true}, true)
	for i, want := range []string{"r", "g", "b", "rgb"} {
		if got := colorAt(px, 16+i%2*32, 12+i/2*24); got != want {
			t.Errorf("quarter %d: got %s, want %s", i, got, want)
		}
	}
	NewPainter(noRecover).Paint(px, d, nil, 1, &Overlay{Blank: true}, true)
	if got := colorAt(px, 16, 12); got != "" {
		t.Errorf("blank: got %s, want black", got)
	}
}

func TestPaint_pictureInPicture(t *testing.T) {
	main := decodedFor(t, encoded(t, 64, 48, solid(color.RGBA{255, 0, 0, 255})), 0, 400, 300)
	halves := func(x, _ int) color.Color {
		return [...]color.Color{color.RGBA{0, 255, 0, 255}, color.RGBA{0, 0, 255, 255}}[x/32]
	}
	own := decodedFor(t, encoded(t, 64, 48, halves), 0, 100, 75)
	px := pixels(400, 300, BGRX, 0)
	NewPainter(noRecover).Paint(px, main, own, 1, &Overlay{PIP: true}, true)
	for _, tt := range []struct {
		x, y int
		want string
	}{{200, 100, "R"}, {397, 298, "R"}, {310, 250, "B"}, {380, 250, "G"}, {280, 250, "R"}, {340, 200, "R"}} {
		if got := colorAt(px, tt.x, tt.y); got != tt.want {
			t.Errorf("at %d,%d: got %s, want %s", tt.x, tt.y, got, tt.want)
		}
	}
}

// The test compares which parts of the display each text changes.
func TestPaint_placesText(t *testing.T) {
	d := decodedFor(t, encoded(t, 64, 48, solid(color.RGBA{255, 0, 0, 255})), 0, 640, 480)
	for _, tt := range []struct {
		name    string
		overlay Overlay
		want    image.Rectangle // contains every change, and is not much larger
	}{
		{"notice", Overlay{Notice: "camera lost 4 s ago"}, image.Rect(180, 200, 460, 280)},
		{"headline", Overlay{Headline: "4 s old", Notice: "why"}, image.Rect(240, 180, 400, 300)},
		{"banner", Overlay{Banner: "kitchen is calling"}, image.Rect(180, 0, 460, 70)},
		{"statistics", Overlay{Info: "30 fps"}, image.Rect(0, 0, 110, 60)},
		{"lines", Overlay{Lines: []string{"kitchen: Grüße"}, Typing: "message: _"}, image.Rect(0, 360, 640, 480)},
		{"too many messages", Overlay{Lines: slices.Repeat([]string{"x"}, 100)}, image.Rect(0, 230, 50, 480)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			px := pixels(640, 480, BGRX, 0)
			NewPainter(noRecover).Paint(px, d, nil, 1, &tt.overlay, true)
			changed := image.Rectangle{}
			for y := range px.H {
				for x := range px.W {
					if colorAt(px, x, y) != "R" {
						changed = changed.Union(image.Rect(x, y, x+1, y+1))
					}
				}
			}
			tooSmall := changed.Dx() < tt.want.Dx()/3 || changed.Dy() < tt.want.Dy()/4
			if changed.Empty() || !changed.In(tt.want) || tooSmall {
				t.Errorf("got changes in %v, want them in %v", changed, tt.want)
			}
		})
	}
}

func TestPaint_allocations(t *testing.T) {
	d := decodedFor(t, encoded(t, 64, 48, quarters(64, 48)), 90, 300, 200)
	own := decodedFor(t, encoded(t, 64, 48, quarters(64, 48)), 0, 75, 50)
	px := pixels(300, 200, RGB565, 0)
	p := NewPainter(noRecover)
	paint := func() { p.Paint(px, d, own, 1, &Overlay{Stale: true}, true) }
	paint()
	if n := testing.AllocsPerRun(10, paint); n > 10 { // some for each converted piece of the frame
		t.Errorf("got %v allocations, want at most 10", n)
	}
}

func BenchmarkPaint(b *testing.B) {
	gradient := func(x, y int) color.Color { return color.RGBA{uint8(x), uint8(y), uint8(x * y >> 4), 255} }
	data := encoded(b, 1280, 720, gradient)
	for _, tt := range []struct {
		name string
		w, h int
	}{{"same", 1280, 720}, {"1080p", 1920, 1080}, {"smaller", 1152, 648}, {"half", 640, 360}} {
		stale := Overlay{Stale: true, Headline: "12 s old", Notice: "connection lost 7 s ago, reconnecting"}
		for _, overlay := range []Overlay{{}, stale} {
			name := tt.name
			if overlay.Stale {
				name += "/stale"
			}
			b.Run(name, func(b *testing.B) {
				f := decodedFor(b, data, 0, tt.w, tt.h)
				px := pixels(tt.w, tt.h, BGRX, 0)
				p := NewPainter(noRecover)
				b.ReportAllocs()
				for b.Loop() {
					p.Paint(px, f, nil, 1, &overlay, true)
				}
			})
		}
	}
}
