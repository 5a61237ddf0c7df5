package terminal

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vchat/cmd/vchatctl/internal/view/look"
	"vchat/cmd/vchatctl/internal/view/render"
)

// pixels returns the memory of a display that shows these colors, in rows of
// width.
func pixels(width int, colors ...rgb) render.Pixels {
	px := render.Pixels{W: width, H: len(colors) / width, Stride: 4 * width, Format: render.RGBX}
	for _, c := range colors {
		px.Pix = append(px.Pix, c.r, c.g, c.b, 0xFF)
	}
	return px
}

func TestCells_writeChanges(t *testing.T) {
	red, blue, dark := rgb{255, 0, 0}, rgb{0, 0, 255}, rgb{8, 8, 8}
	first := []rgb{red, red, dark, blue, blue, blue}
	type step struct {
		pixels []rgb
		text   string // in the second row
		want   string
	}
	for _, tt := range []struct {
		name   string
		colors Colors
		steps  []step
	}{
		{"24 bits", TrueColor, []step{
			{first, "ab", "\x1b[1;1H\x1b[38;2;255;0;0m\x1b[48;2;0;0;255m▀▀\x1b[38;2;8;8;8m▀" +
				"\x1b[2;1H\x1b[38;2;255;255;255m\x1b[48;2;0;0;0mab\x1b[0m "},
			{first, "ab", ""},
			{[]rgb{red, red, {9, 7, 8}, blue, blue, {2, 0, 253}}, "ab", ""}, // noise
			{[]rgb{red, blue, dark, blue, blue, blue}, "ab", "\x1b[1;2H\x1b[38;2;0;0;255m\x1b[48;2;0;0;255m▀\x1b[0m"},
			{[]rgb{red, blue, dark, blue, blue, blue}, "", "\x1b[2;1H  "},
			{[]rgb{red, blue, dark, blue, blue, blue}, "日", "\x1b[2;1H\x1b[38;2;255;255;255m\x1b[48;2;0;0;0m日\x1b[0m"},
			{[]rgb{red, blue, dark, blue, blue, blue}, "x", "\x1b[2;1H\x1b[38;2;255;255;255m\x1b[48;2;0;0;0mx\x1b[0m "},
		}},
		{"256 colors", Palette256, []step{
			{first, "", "\x1b[1;1H\x1b[38;5;196m\x1b[48;5;21m▀▀\x1b[38;5;232m▀\x1b[2;1H\x1b[0m   "},
			{[]rgb{{250, 3, 3}, red, dark, blue, blue, blue}, "", ""}, // the same in the palette
			{[]rgb{blue, {3, 3, 250}, dark, red, red, blue}, "", "\x1b[1;1H\x1b[38;5;21m\x1b[48;5;196m▀▀\x1b[0m"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := cells{colors: tt.colors}
			c.resize(3, 2)
			for i, s := range tt.steps {
				var b bytes.Buffer
				c.reset()
				c.drawFrame(pixels(3, s.pixels...))
				c.drawLine(1, 0, textLine{text: s.text, fg: white})
				c.writeChanges(&b)
				if diff := cmp.Diff(s.want, b.String()); diff != "" {
					t.Errorf("step %d (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}

// text returns the rows of the next content. Dots are pixels.
func (c *cells) text() []string {
	var rows []string
	for y := range c.rows {
		row := ""
		for _, cell := range c.next[y*c.cols : (y+1)*c.cols] {
			switch cell.char {
			case 0:
				row += " "
			case halfBlock:
				row += "."
			case wideTail:
			default:
				row += string(cell.char)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func BenchmarkCells_writeChanges(b *testing.B) {
	c := cells{colors: TrueColor}
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
		c.reset()
		c.drawFrame(px)
		c.writeChanges(&w)
	}
	b.ReportMetric(float64(w.Len()), "bytes/frame")
}

// A VT100 has no colors, but what can be pressed stands out. It cannot end bold
// or reverse alone.
func TestCells_monochrome(t *testing.T) {
	c := cells{colors: NoColors, ascii: true}
	c.resize(20, 5)
	c.drawFrame(pixels(20, make([]rgb, 20*8)...))
	for i := range c.next {
		c.next[i].char = '@'
	}
	c.drawOverlay(&render.Overlay{Title: "bob", Lines: []string{"bob: hi"}, Controls: []render.Control{
		{Target: render.Target{Action: look.ActionHangUp}, Label: "Hang up", Key: "h", Style: render.StyleDecline}}})
	var out bytes.Buffer
	c.writeChanges(&out)
	if got := out.String(); !strings.Contains(got, "\x1b[1m\x1b[7m Hang up (h) \x1b[0m") ||
		!strings.Contains(got, "\x1b[7m bob") {
		t.Errorf("got %q, want the control and the status line in reverse", got)
	}
	if got, want := c.text()[2], pad(" bob: hi", 20); got != want {
		t.Errorf("got row %q, want %q: the frame would look like a part of the message", got, want)
	}
}
