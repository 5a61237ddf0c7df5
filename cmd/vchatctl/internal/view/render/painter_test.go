package render

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vchat/daemon/mjpeg"
)

// encoded is a JPEG frame of w by h pixels.
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

// quarters is a frame of four colours: red, green, blue and white, from the upper left in reading order.
func quarters(w, h int) func(x, y int) color.Color {
	return func(x, y int) color.Color {
		return [...]color.Color{color.RGBA{255, 0, 0, 255}, color.RGBA{0, 255, 0, 255},
			color.RGBA{0, 0, 255, 255}, color.White}[y*2/h*2+x*2/w]
	}
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

// pixels is memory of a display with a margin, which nobody is to write to.
func pixels(w, h int, f Format, fill byte) Pixels {
	stride := w*f.BytesPerPixel() + 6
	return Pixels{Pix: bytes.Repeat([]byte{fill}, stride*h), Stride: stride, W: w, H: h, Format: f}
}

// name says which colour a pixel is nearest to.
func name(px Pixels, x, y int) string {
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

func noGuard() {}

func TestTheFrameFillsItsPlaceAndNothingElse(t *testing.T) {
	for _, tt := range []struct {
		name   string
		w, h   int // of the frame
		rotate int
		inW    int // of the display
		inH    int
		aspect float64
		bars   image.Point // beside and above
		want   string      // the quarters, in reading order
	}{
		{"as it is", 64, 48, 0, 64, 48, 1, image.Pt(0, 0), "R G B RGB"},
		{"larger", 64, 48, 0, 200, 150, 1, image.Pt(0, 0), "R G B RGB"},
		{"smaller", 640, 480, 0, 100, 75, 1, image.Pt(0, 0), "R G B RGB"},
		{"very small", 640, 480, 0, 20, 15, 1, image.Pt(0, 0), "R G B RGB"},
		{"bars beside", 64, 48, 0, 200, 60, 1, image.Pt(60, 0), "R G B RGB"},
		{"bars above", 64, 48, 0, 80, 160, 1, image.Pt(0, 50), "R G B RGB"},
		{"high pixels", 64, 48, 0, 80, 60, 2, image.Pt(0, 15), "R G B RGB"},
		{"a quarter", 64, 48, 90, 96, 128, 1, image.Pt(0, 0), "B R RGB G"},
		{"upside down", 64, 48, 180, 64, 48, 1, image.Pt(0, 0), "RGB B G R"},
		{"three quarters", 64, 48, 270, 48, 64, 1, image.Pt(0, 0), "G RGB R B"},
		{"a quarter, beside bars", 640, 480, 90, 200, 64, 1, image.Pt(76, 0), "B R RGB G"},
	} {
		for _, format := range []Format{BGRX, RGBX, RGB565} {
			t.Run(tt.name, func(t *testing.T) {
				d := decodedFor(t, encoded(t, tt.w, tt.h, quarters(tt.w, tt.h)), tt.rotate, tt.inW, tt.inH)
				px := pixels(tt.inW, tt.inH, format, 0x5A)
				p := NewPainter(noGuard)
				p.Paint(px, d, nil, tt.aspect, &Overlay{}, true)
				got := ""
				w, h := tt.inW-2*tt.bars.X, tt.inH-2*tt.bars.Y
				for i := range 4 {
					if i > 0 {
						got += " "
					}
					got += name(px, tt.bars.X+w/4+i%2*w/2, tt.bars.Y+h/4+i/2*h/2)
				}
				if got != tt.want {
					t.Errorf("the quarters are %s, want %s", got, tt.want)
				}
				for _, at := range []image.Point{{tt.bars.X - 1, tt.inH / 3}, {tt.inW - tt.bars.X, tt.inH / 3}, {tt.inW / 3, tt.bars.Y - 1}, {tt.inW / 3, tt.inH - tt.bars.Y}} {
					if at.In(image.Rect(0, 0, tt.inW, tt.inH)) && name(px, at.X, at.Y) != "" {
						t.Errorf("the bar at %v is %s", at, name(px, at.X, at.Y))
					}
				}
				// What was there before makes no difference, and what is behind the rows stays.
				again := pixels(tt.inW, tt.inH, format, 0xC3)
				p.Paint(again, d, nil, tt.aspect, &Overlay{}, true)
				n := tt.inW * format.BytesPerPixel()
				for y := range tt.inH {
					a, b := px.Pix[y*px.Stride:][:px.Stride], again.Pix[y*px.Stride:][:px.Stride]
					if !bytes.Equal(a[:n], b[:n]) {
						t.Fatalf("row %d depends on what was there", y)
					}
					if !bytes.Equal(a[n:], bytes.Repeat([]byte{0x5A}, 6)) {
						t.Fatalf("it has written behind row %d", y)
					}
				}
			})
		}
	}
}

func TestWhichPixelsAreMixed(t *testing.T) {
	for _, tt := range []struct{ x, m, n, at, part int }{
		{0, 4, 4, 0, 0}, {3, 4, 4, 2, 256}, {1, 4, 4, 1, 0}, // as it is
		{0, 8, 4, 0, 0}, {1, 8, 4, 0, 64}, {2, 8, 4, 0, 192}, {7, 8, 4, 2, 256}, // twice as large
		{0, 2, 3, 0, 64}, {1, 2, 3, 1, 192},
		{0, 5, 1, 0, 256}, {4095, 4096, 8191, 8189, 128}, {8000, 8192, 65535, 64002, 133},
	} {
		if at, part := between(tt.x, tt.m, tt.n); at != tt.at || part != tt.part {
			t.Errorf("%d of %d, from %d: %d and %d/256, want %d and %d", tt.x, tt.m, tt.n, at, part, tt.at, tt.part)
		}
	}
}

func TestAFrameOfTheDisplaysSizeIsShownAsItWasDecoded(t *testing.T) {
	d := decodedFor(t, encoded(t, 160, 120, func(x, y int) color.Color { return color.RGBA{uint8(x), uint8(y), uint8(x * y), 255} }), 0, 160, 120)
	px := pixels(160, 120, BGRX, 0)
	want := slices.Clone(px.Pix)
	d.Planes.PutBGRX(want, px.Stride)
	NewPainter(noGuard).Paint(px, d, nil, 1, &Overlay{}, true)
	if diff := cmp.Diff(want, px.Pix); diff != "" {
		t.Error("it is another")
	}
}

func TestAnOldFrameIsDark(t *testing.T) {
	d := decodedFor(t, encoded(t, 64, 48, quarters(64, 48)), 0, 64, 48)
	px := pixels(64, 48, BGRX, 0)
	NewPainter(noGuard).Paint(px, d, nil, 1, &Overlay{Stale: true}, true)
	for i, want := range []string{"r", "g", "b", "rgb"} {
		if got := name(px, 16+i%2*32, 12+i/2*24); got != want {
			t.Errorf("quarter %d is %s, want %s", i, got, want)
		}
	}
	NewPainter(noGuard).Paint(px, d, nil, 1, &Overlay{Blank: true}, true)
	if got := name(px, 16, 12); got != "" {
		t.Errorf("where there is to be no picture, it is %s", got)
	}
}

func TestTheOwnFrameIsInTheCorner(t *testing.T) {
	main := decodedFor(t, encoded(t, 64, 48, func(int, int) color.Color { return color.RGBA{255, 0, 0, 255} }), 0, 400, 300)
	own := decodedFor(t, encoded(t, 64, 48, func(int, int) color.Color { return color.RGBA{0, 255, 0, 255} }), 0, 100, 75)
	px := pixels(400, 300, BGRX, 0)
	NewPainter(noGuard).Paint(px, main, own, 1, &Overlay{PIP: true}, true)
	for _, tt := range []struct {
		x, y int
		want string
	}{{200, 100, "R"}, {395, 298, "R"}, {340, 250, "G"}, {280, 250, "R"}, {340, 200, "R"}} {
		if got := name(px, tt.x, tt.y); got != tt.want {
			t.Errorf("at %d, %d it is %s, want %s", tt.x, tt.y, got, tt.want)
		}
	}
}

// TestWhereWordsAre looks at which parts of the display they have changed.
func TestWhereWordsAre(t *testing.T) {
	d := decodedFor(t, encoded(t, 64, 48, func(int, int) color.Color { return color.RGBA{255, 0, 0, 255} }), 0, 640, 480)
	for _, tt := range []struct {
		name  string
		words Overlay
		want  image.Rectangle // all is in there, and something near each edge
	}{
		{"notice", Overlay{Notice: "vchatd ended 4 s ago"}, image.Rect(180, 200, 460, 280)},
		{"headline", Overlay{Headline: "4 s old", Notice: "why"}, image.Rect(240, 180, 400, 300)},
		{"banner", Overlay{Banner: "kitchen is calling"}, image.Rect(180, 0, 460, 60)},
		{"figures", Overlay{Info: "30 fps"}, image.Rect(0, 0, 100, 60)},
		{"lines", Overlay{Lines: []string{"kitchen: Grüße"}, Typing: "say: _"}, image.Rect(0, 400, 200, 480)},
		{"more than there is room for", Overlay{Lines: slices.Repeat([]string{"x"}, 100)}, image.Rect(0, 230, 60, 480)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			px := pixels(640, 480, BGRX, 0)
			NewPainter(noGuard).Paint(px, d, nil, 1, &tt.words, true)
			changed := image.Rectangle{}
			for y := range px.H {
				for x := range px.W {
					if name(px, x, y) != "R" {
						changed = changed.Union(image.Rect(x, y, x+1, y+1))
					}
				}
			}
			if changed.Empty() || !changed.In(tt.want) || changed.Dx() < tt.want.Dx()/3 || changed.Dy() < tt.want.Dy()/4 {
				t.Errorf("it is at %v, want in %v", changed, tt.want)
			}
		})
	}
}

func TestWhatIsSaidDoesNotHideWhyTheFrameIsOld(t *testing.T) {
	p := NewPainter(noGuard)
	p.write(pixels(640, 480, BGRX, 0), &Overlay{Headline: "4 s old", Notice: "link lost 4 s ago", Lines: []string{strings.Repeat("x ", 500)}})
	if len(p.marks) < 5 {
		t.Fatalf("there are only %d lines", len(p.marks))
	}
	for i, m := range p.marks {
		for _, n := range p.marks[i+1:] {
			if !m.ground.Intersect(n.ground).Empty() {
				t.Fatalf("%v is over %v", n.ground, m.ground)
			}
		}
	}
}

func TestLettersThatTheFontDoesNotHave(t *testing.T) {
	l := newTextRenderer()
	for text, want := range map[string]string{"Größe ½ ñ": "Größe ½ ñ", "Ελλάς, Москва": "Ελλάς, Москва", "日本 a\tb": "?? a?b"} {
		if got := l.known(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	if diff := cmp.Diff([]string{"to be or", "not"}, l.wrap("to be or not", 20, 85)); diff != "" {
		t.Error(diff)
	}
	for _, line := range l.wrap("aVeryLongWordThatFitsNowhere", 20, 60) {
		if w := l.line(line, 20).Rect.Dx(); w > 60 {
			t.Errorf("%s is %d wide", line, w)
		}
	}
	// What the other side says is as long as it likes, and is asked for with each frame.
	long := strings.Repeat("日w", 500)
	if got := strings.Join(l.wrap(long, 20, 100), ""); got != strings.ReplaceAll(long, "日", "?") {
		t.Errorf("of a long word there is %q", got)
	}
	if n := testing.AllocsPerRun(10, func() { l.wrap(long, 20, 100); l.tidy() }); n > 1 {
		t.Errorf("it is cut again each time: %v allocations", n)
	}
	if got := l.wrap("narrow", 20, 1); len(got) != 6 {
		t.Errorf("where nothing fits: %q", got)
	}
}

func TestPaintingTakesLittleMemoryOnceWarm(t *testing.T) {
	d := decodedFor(t, encoded(t, 64, 48, quarters(64, 48)), 90, 300, 200)
	own := decodedFor(t, encoded(t, 64, 48, quarters(64, 48)), 0, 75, 50)
	px := pixels(300, 200, RGB565, 0)
	p := NewPainter(noGuard)
	paint := func() { p.Paint(px, d, own, 1, &Overlay{Stale: true}, true) }
	paint()
	if n := testing.AllocsPerRun(10, paint); n > 10 { // a table for each piece of the frame
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPaint(b *testing.B) {
	data := encoded(b, 1280, 720, func(x, y int) color.Color { return color.RGBA{uint8(x), uint8(y), uint8(x * y >> 4), 255} })
	for _, tt := range []struct {
		name string
		w, h int
	}{{"same", 1280, 720}, {"1080p", 1920, 1080}, {"smaller", 1152, 648}, {"half", 640, 360}} {
		for _, words := range []Overlay{{}, {Stale: true, Headline: "12 s old", Notice: "link lost 7 s ago, reconnecting"}} {
			name := tt.name
			if words.Stale {
				name += "/old"
			}
			b.Run(name, func(b *testing.B) {
				d := decodedFor(b, data, 0, tt.w, tt.h)
				px := pixels(tt.w, tt.h, BGRX, 0)
				p := NewPainter(noGuard)
				b.ReportAllocs()
				for b.Loop() {
					p.Paint(px, d, nil, 1, &words, true)
				}
			})
		}
	}
}
