package terminal

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

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
		name      string
		trueColor bool
		steps     []step
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
		{"256 colors", false, []step{
			{first, "", "\x1b[1;1H\x1b[38;5;196m\x1b[48;5;21m▀▀\x1b[38;5;232m▀\x1b[2;1H\x1b[0m   "},
			{[]rgb{{250, 3, 3}, red, dark, blue, blue, blue}, "", ""}, // the same in the palette
			{[]rgb{blue, {3, 3, 250}, dark, red, red, blue}, "", "\x1b[1;1H\x1b[38;5;21m\x1b[48;5;196m▀▀\x1b[0m"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := cells{trueColor: tt.trueColor}
			c.resize(3, 2)
			for i, s := range tt.steps {
				var b bytes.Buffer
				c.reset()
				c.drawFrame(pixels(3, s.pixels...))
				c.drawText(1, 0, s.text, white, black)
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
	c := cells{trueColor: true}
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
