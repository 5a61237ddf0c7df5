package terminal

import (
	"bytes"
	"image"
	"image/color"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mattn/go-runewidth"
)

func TestThePictureKeepsItsShape(t *testing.T) {
	type box struct{ left, top, width, height int }
	for _, tt := range []struct {
		name          string
		width, height int // of the picture
		grid          grid
		want          box // left and top in cells, width in cells, height in half cells
	}{
		{"as wide as the terminal", 1280, 720, grid{80, 40, 2}, box{0, 8, 80, 46}},
		{"as high as the terminal", 1280, 720, grid{200, 24, 2}, box{59, 0, 82, 46}},
		{"upright", 720, 1280, grid{80, 24, 2}, box{27, 0, 26, 46}},
		{"cells that are not twice as high as wide", 1000, 1000, grid{80, 31, 2.5}, box{2, 0, 75, 60}},
		{"a very small terminal", 1280, 720, grid{2, 2, 2}, box{0, 0, 2, 2}},
		{"no room for any", 1280, 720, grid{80, 1, 2}, box{}},
		{"a line of a picture", 4000, 1, grid{80, 24, 2}, box{0, 11, 80, 2}},
		{"a column of a picture", 1, 4000, grid{80, 24, 2}, box{39, 0, 1, 46}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c canvas
			c.scale(image.NewYCbCr(image.Rect(0, 0, tt.width, tt.height), image.YCbCrSubsampleRatio422), tt.grid)
			if got := (box{c.left, c.top, c.width, c.height}); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestScaleAveragesAndForgetsNothing(t *testing.T) {
	m := image.NewRGBA(image.Rect(10, 20, 90, 100)) // not at the origin
	for y := 20; y < 100; y++ {
		for x := 10; x < 90; x++ {
			v := color.RGBA{A: 255}
			if x >= 50 {
				v.R = 255
			}
			if (x+y)%2 == 0 { // fine detail becomes its mean
				v.B = 200
			}
			m.Set(x, y, v)
		}
	}
	var c canvas
	c.scale(m, grid{4, 3, 2})
	want := canvas{width: 4, height: 4}
	for range 4 {
		want.pix = append(want.pix, rgb{0, 0, 100}, rgb{0, 0, 100}, rgb{255, 0, 100}, rgb{255, 0, 100})
	}
	if diff := cmp.Diff(want, c, cmp.AllowUnexported(canvas{}, rgb{})); diff != "" {
		t.Error(diff)
	}
}

func TestPaint(t *testing.T) {
	red, blue, dark := rgb{255, 0, 0}, rgb{0, 0, 255}, rgb{8, 8, 8}
	c := canvas{left: 1, top: 2, width: 3, height: 2, pix: []rgb{red, red, dark, blue, blue, blue}}
	for _, tt := range []struct {
		trueColor bool
		want      string
	}{
		// A colour is only set where it changes.
		{true, "\x1b[3;2H\x1b[38;2;255;0;0m\x1b[48;2;0;0;255m▀▀\x1b[38;2;8;8;8m▀\x1b[0m"},
		{false, "\x1b[3;2H\x1b[38;5;196m\x1b[48;5;21m▀▀\x1b[38;5;232m▀\x1b[0m"},
	} {
		var b bytes.Buffer
		c.paint(&b, tt.trueColor)
		if diff := cmp.Diff(tt.want, b.String()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestPaletteIsTheNearestColour(t *testing.T) {
	steps := [...]int{0, 95, 135, 175, 215, 255}
	for r := 0; r < 256; r += 15 {
		for g := 0; g < 256; g += 15 {
			for b := 0; b < 256; b += 15 {
				p := rgb{uint8(r), uint8(g), uint8(b)}
				best := 1 << 30
				for i := range 216 {
					best = min(best, far(p, steps[i/36], steps[i/6%6], steps[i%6]))
				}
				for i := range 24 {
					best = min(best, far(p, 8+10*i, 8+10*i, 8+10*i))
				}
				n, got := int(palette(p)), 0
				if n >= 232 {
					got = far(p, 8+10*(n-232), 8+10*(n-232), 8+10*(n-232))
				} else {
					n -= 16
					got = far(p, steps[n/36], steps[n/6%6], steps[n%6])
				}
				if got != best {
					t.Fatalf("%v becomes %d, which is %d away; %d would do", p, n, got, best)
				}
			}
		}
	}
}

func TestTheStatusLineFits(t *testing.T) {
	l := statusLine{title: "wörkshop", fps: 29.94, age: 12 * time.Millisecond, size: image.Pt(1280, 720)}
	for cols, want := range map[int]string{
		60: " wörkshop  29.9 fps  12 ms old  1280x720            q quits ",
		40: " wörkshop  29.9 fps  12 ms old  1280x720",
		12: " wörkshop  …",
		1:  "…",
	} {
		var b bytes.Buffer
		l.paint(&b, grid{cols: cols, rows: 5})
		got := strings.TrimSuffix(strings.TrimPrefix(b.String(), "\x1b[5;1H\x1b[0;7m"), "\x1b[0m")
		if got != want || runewidth.StringWidth(got) != cols {
			t.Errorf("%d columns: %q, want %q", cols, got, want)
		}
	}
}

func TestKeysAndAnswers(t *testing.T) {
	for said, want := range map[string][]key{
		"q":           {keyQuit},
		"\x03":        {keyInterrupt},
		"\x1b[0n":     {keyAnswer},
		"abc\x1b[0nq": {keyAnswer, keyQuit},
		"\x1b[12;40R": nil, // another answer
		"\x1b[A\x1bq": nil, // an arrow, and Alt-Q
		"\x1b\x1b[0n": nil, // Escape, and then what looks like text
		"\x1b[" + "1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;" + "q": {keyQuit}, // no sequence is that long
	} {
		var p parser
		var got []key
		for _, b := range []byte(said) {
			if k, ok := p.next(b); ok {
				got = append(got, k)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", said, diff)
		}
	}
}

func BenchmarkShowAPicture(b *testing.B) {
	m := image.NewYCbCr(image.Rect(0, 0, 1280, 720), image.YCbCrSubsampleRatio422)
	for i := range m.Y {
		m.Y[i] = byte(i * 7)
	}
	var c canvas
	var w bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		w.Reset()
		c.scale(m, grid{80, 24, 2})
		c.paint(&w, true)
	}
	b.ReportMetric(float64(w.Len()), "bytes/picture")
}
