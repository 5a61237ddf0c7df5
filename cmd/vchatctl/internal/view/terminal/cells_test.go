package terminal

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mattn/go-runewidth"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/cmd/vchatctl/internal/view/render"
)

// pixels are colours as a display has them, in rows of width.
func pixels(width int, colours ...rgb) render.Pixels {
	px := render.Pixels{W: width, H: len(colours) / width, Stride: 4 * width, Format: render.RGBX}
	for _, c := range colours {
		px.Pix = append(px.Pix, c.r, c.g, c.b, 0xFF)
	}
	return px
}

func TestOnlyWhatHasChangedIsWritten(t *testing.T) {
	red, blue, dark := rgb{255, 0, 0}, rgb{0, 0, 255}, rgb{8, 8, 8}
	first := []rgb{red, red, dark, blue, blue, blue}
	type step struct {
		pixels []rgb
		text   string // in the second row
		want   string
	}
	for _, tt := range []struct {
		name       string
		trueColour bool
		steps      []step
	}{
		{"24 bits", true, []step{
			{first, "ab", "\x1b[1;1H\x1b[38;2;255;0;0m\x1b[48;2;0;0;255m▀▀\x1b[38;2;8;8;8m▀" +
				"\x1b[2;1H\x1b[38;2;255;255;255m\x1b[48;2;0;0;0mab\x1b[0m "},
			{first, "ab", ""},
			{[]rgb{red, red, {9, 7, 8}, blue, blue, {2, 0, 253}}, "ab", ""}, // noise
			{[]rgb{red, blue, dark, blue, blue, blue}, "ab", "\x1b[1;2H\x1b[38;2;0;0;255m\x1b[48;2;0;0;255m▀\x1b[0m"},
			{[]rgb{red, blue, dark, blue, blue, blue}, "", "\x1b[2;1H  "},
			{[]rgb{red, blue, dark, blue, blue, blue}, "日", "\x1b[2;1H\x1b[38;2;255;255;255m\x1b[48;2;0;0;0m日\x1b[0m"},
			{[]rgb{red, blue, dark, blue, blue, blue}, "x", "\x1b[2;1H\x1b[38;2;255;255;255m\x1b[48;2;0;0;0mx\x1b[0m "},
		}},
		{"256 colours", false, []step{
			{first, "", "\x1b[1;1H\x1b[38;5;196m\x1b[48;5;21m▀▀\x1b[38;5;232m▀\x1b[2;1H\x1b[0m   "},
			{[]rgb{{250, 3, 3}, red, dark, blue, blue, blue}, "", ""}, // the same of the 256
			{[]rgb{blue, {3, 3, 250}, dark, red, red, blue}, "", "\x1b[1;1H\x1b[38;5;21m\x1b[48;5;196m▀▀\x1b[0m"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := cells{trueColour: tt.trueColour}
			c.resize(3, 2)
			for i, s := range tt.steps {
				var b bytes.Buffer
				c.empty()
				c.frame(pixels(3, s.pixels...))
				c.text(1, 0, s.text, white, black)
				c.write(&b)
				if diff := cmp.Diff(s.want, b.String()); diff != "" {
					t.Errorf("step %d: %s", i, diff)
				}
			}
		})
	}
}

// shows is what stands in the cells, rows from top to bottom; a frame is dots, and nothing is a space.
func (c *cells) shows() []string {
	var rows []string
	for y := range c.rows {
		row := ""
		for _, cell := range c.want[y*c.cols : (y+1)*c.cols] {
			switch cell.letter {
			case 0:
				row += " "
			case halfBlock:
				row += "."
			case wide:
			default:
				row += string(cell.letter)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func TestWhereWordsStand(t *testing.T) {
	for _, tt := range []struct {
		name       string
		cols, rows int
		words      render.Overlay
		want       []string
	}{
		{"figures", 44, 3, render.Overlay{Title: "wörkshop", Info: "29.9 fps"}, []string{
			"                                            ",
			"                                            ",
			" wörkshop  29.9 fps     q quits  Enter says "}},
		{"everything", 30, 11, render.Overlay{Title: "workshop", Banner: "kitchen is calling", Headline: "12 s old", Stale: true,
			Notice: "link lost 7 s ago, reconnecting at once", Lines: []string{"you: where are you?", "workshop: in the cellar, with the fuses"},
			Typing: "say: 日本語_"}, []string{
			"      kitchen is calling      ",
			"                              ",
			"                              ",
			"                              ",
			"           12 s old           ",
			"  link lost 7 s ago,          ",
			"     reconnecting at once     ",
			" you: where are you?          ",
			" workshop: in the cellar,     ",
			" with the fuses               ",
			"say: 日本語_                  "}},
		{"more than there is room for", 14, 7, render.Overlay{Headline: "12 s old", Notice: "link lost", Lines: []string{"x x x x x x x x x x x", "y", "z"}}, []string{
			"              ", "              ", "   12 s old   ", "  link lost   ", " y            ", " z            ", "              "}},
		{"no room", 5, 1, render.Overlay{Title: "workshop", Notice: "waiting for calls", Lines: []string{"x"}}, []string{" wor…"}},
		{"a long line is seen from its end", 10, 2, render.Overlay{Typing: "say: 0123456789_"}, []string{"          ", "123456789_"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c cells
			c.resize(tt.cols, tt.rows)
			c.words(&tt.words)
			got := c.shows()
			for i, row := range got {
				if runewidth.StringWidth(row) != tt.cols {
					t.Errorf("row %d is %d wide", i, runewidth.StringWidth(row))
				}
			}
			if tt.name == "everything" { // centring is not what is tested
				for i := range got {
					got[i], tt.want[i] = strings.TrimSpace(got[i]), strings.TrimSpace(tt.want[i])
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
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

func TestKeysAndAnswers(t *testing.T) {
	typed := func(r rune) said { return said{key: view.Input{Key: view.KeyRune, Rune: r}} }
	pressed := func(k view.Key) said { return said{key: view.Input{Key: k}} }
	for text, want := range map[string][]said{
		"q":                                      {typed('q')},
		"\x03":                                   {pressed(view.KeyInterrupt)},
		"\r\x7f\b":                               {pressed(view.KeyEnter), pressed(view.KeyBackspace), pressed(view.KeyBackspace)},
		"\x0c":                                   {{key: view.Input{Resized: true}}},
		"äß日":                                    {typed('ä'), typed('ß'), typed('日')},
		"\xff\xfeq\x01":                          {typed('q')},
		"\x1b[0n":                                {{answer: isThere}},
		"abc\x1b[0nq":                            {typed('a'), typed('b'), typed('c'), {answer: isThere}, typed('q')},
		"\x1b[12;40Rq":                           {typed('q')},                         // another answer
		"\x1b[A\x1bq":                            nil,                                  // an arrow, and Alt-Q
		"\x1bOPq":                                {typed('q')},                         // F1
		"\x1b[[A\x1b[[Dq":                        {typed('q')},                         // F1 and F4 of the Linux console
		"\x1b\x1b[0n":                            {typed('['), typed('0'), typed('n')}, // Escape, and then what looks like text
		"\x1b[?62;22c":                           {{answer: attributes}},
		"\x1b_Gi=31;OK\x1b\\\x1b[?62c":           {{answer: graphics}, {answer: attributes}},
		"\x1b_Gi=1;ENOSPC:no\x1b\\q":             {{answer: noGraphics}, typed('q')},
		"\x1b]0;title\x07q":                      {typed('q')},
		"\x1b[" + strings.Repeat("1;", 31) + "q": {typed('q')}, // no sequence is that long
	} {
		var p parser
		var got []said
		for _, b := range []byte(text) {
			if s, ok := p.next(b); ok {
				got = append(got, s)
			}
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(said{})); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
	var p parser
	if p.next(0x1b); !p.alone() || p.nothing() != pressed(view.KeyEscape) || p.alone() {
		t.Error("an Escape alone is no key")
	}
}

func FuzzParser(f *testing.F) {
	f.Add([]byte("\x1b_Gi=31;OK\x1b\\\x1b[?62cäq\x1b[A"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p parser
		for _, c := range b {
			p.next(c)
			if len(p.pending) > longest {
				t.Fatalf("%d bytes are pending", len(p.pending))
			}
		}
	})
}

func BenchmarkShowAFrame(b *testing.B) {
	c := cells{trueColour: true}
	c.resize(80, 24)
	px := pixels(80, make([]rgb, 80*46)...)
	var w bytes.Buffer
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		for i := range px.Pix {
			px.Pix[i] = byte(i*7 + n)
		}
		n += 31
		w.Reset()
		c.empty()
		c.frame(px)
		c.write(&w)
	}
	b.ReportMetric(float64(w.Len()), "bytes/frame")
}
