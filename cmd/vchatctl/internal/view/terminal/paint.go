package terminal

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
)

type rgb struct{ r, g, b uint8 }

// canvas is a picture in the pixels of a terminal: one a column, two a row.
type canvas struct {
	left, top     int // cells before it
	width, height int // pixels; height is even
	pix           []rgb
}

// samples in each direction are averaged to a pixel: enough against flicker, and the same cost for pictures of any size.
const samples = 4

// scale makes the canvas the largest picture of img's shape that fits the grid, whose last row is left free.
func (c *canvas) scale(img image.Image, g grid) {
	size := img.Bounds().Size()
	maxW, maxH := g.cols, 2*(g.rows-1)
	if size.X <= 0 || size.Y <= 0 || maxW < 1 || maxH < 2 {
		c.width, c.height = 0, 0
		return
	}
	// A pixel is as wide as a cell and half as high.
	shape := float64(size.X) / float64(size.Y) * g.cellAspect / 2
	c.width, c.height = maxW, int(float64(maxW)/shape+0.5)
	if c.height > maxH {
		c.width, c.height = int(float64(maxH)*shape+0.5), maxH
	}
	c.width, c.height = min(max(c.width, 1), maxW), min(max((c.height+1)/2*2, 2), maxH)
	c.left, c.top = (g.cols-c.width)/2, (g.rows-1-c.height/2)/2

	if n := c.width * c.height; cap(c.pix) < n {
		c.pix = make([]rgb, n)
	} else {
		c.pix = c.pix[:n]
	}
	at := reader(img)
	for y := range c.height {
		for x := range c.width {
			c.pix[y*c.width+x] = average(at, x*size.X, (x+1)*size.X, c.width, y*size.Y, (y+1)*size.Y, c.height)
		}
	}
}

// average is the mean of samples in [x0/w, x1/w) × [y0/h, y1/h).
func average(at func(x, y int) rgb, x0, x1, w, y0, y1, h int) rgb {
	var r, g, b int
	for j := range samples {
		y := (y0*(2*samples-2*j-1) + y1*(2*j+1)) / (2 * samples * h)
		for i := range samples {
			p := at((x0*(2*samples-2*i-1)+x1*(2*i+1))/(2*samples*w), y)
			r, g, b = r+int(p.r), g+int(p.g), b+int(p.b)
		}
	}
	const n = samples * samples
	return rgb{uint8(r / n), uint8(g / n), uint8(b / n)}
}

// reader gives the pixels of img, counted from its corner. image/jpeg makes YCbCr of all that cameras send.
func reader(img image.Image) func(x, y int) rgb {
	o := img.Bounds().Min
	if m, ok := img.(*image.YCbCr); ok {
		return func(x, y int) rgb {
			x, y = x+o.X, y+o.Y
			yi, ci := m.YOffset(x, y), m.COffset(x, y)
			r, g, b := color.YCbCrToRGB(m.Y[yi], m.Cb[ci], m.Cr[ci])
			return rgb{r, g, b}
		}
	}
	return func(x, y int) rgb {
		r, g, b, _ := img.At(x+o.X, y+o.Y).RGBA()
		return rgb{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8)}
	}
}

// paint writes the canvas: the upper pixel of a cell is the colour of the half block, the lower one that of its ground.
func (c *canvas) paint(w *bytes.Buffer, trueColor bool) {
	for y := 0; y < c.height; y += 2 {
		moveTo(w, c.top+y/2, c.left)
		var up, low rgb
		for x := range c.width {
			u, l := c.pix[y*c.width+x], c.pix[(y+1)*c.width+x]
			if x == 0 || u != up {
				colour(w, 38, u, trueColor)
			}
			if x == 0 || l != low {
				colour(w, 48, l, trueColor)
			}
			up, low = u, l
			w.WriteString("▀")
		}
	}
	w.WriteString("\x1b[0m")
}

func moveTo(w *bytes.Buffer, row, col int) {
	b := append(w.AvailableBuffer(), "\x1b["...)
	b = append(strconv.AppendInt(b, int64(row+1), 10), ';')
	b = append(strconv.AppendInt(b, int64(col+1), 10), 'H')
	w.Write(b)
}

// colour sets the foreground (38) or background (48).
func colour(w *bytes.Buffer, what int64, p rgb, trueColor bool) {
	b := append(w.AvailableBuffer(), "\x1b["...)
	b = strconv.AppendInt(b, what, 10)
	if trueColor {
		for _, v := range [...]uint8{2, p.r, p.g, p.b} {
			b = strconv.AppendUint(append(b, ';'), uint64(v), 10)
		}
	} else {
		b = strconv.AppendUint(append(b, ";5;"...), uint64(palette(p)), 10)
	}
	w.Write(append(b, 'm'))
}

// palette is the nearest of xterm's 256 colours: a cube of 6×6×6, and 24 greys between black and white.
func palette(p rgb) uint8 {
	level := func(v uint8) int {
		switch { // the cube's steps are 0, 95, 135, 175, 215, 255
		case v < 48:
			return 0
		case v < 115:
			return 1
		}
		return (int(v) - 35) / 40
	}
	steps := [...]int{0, 95, 135, 175, 215, 255}
	r, g, b := level(p.r), level(p.g), level(p.b)
	grey := (int(p.r) + int(p.g) + int(p.b)) / 3
	step := min(max((grey-3)/10, 0), 23)
	if far(p, 8+10*step, 8+10*step, 8+10*step) < far(p, steps[r], steps[g], steps[b]) {
		return uint8(232 + step)
	}
	return uint8(16 + 36*r + 6*g + b)
}

func far(p rgb, r, g, b int) int {
	dr, dg, db := int(p.r)-r, int(p.g)-g, int(p.b)-b
	return dr*dr + dg*dg + db*db
}

// statusLine is the last row.
type statusLine struct {
	title, note string
	fps         float64
	age         time.Duration
	size        image.Point
	card        bool
}

func (l *statusLine) paint(w *bytes.Buffer, g grid) {
	if g.cols < 1 || g.rows < 1 {
		return
	}
	left := " " + l.title
	switch {
	case l.note != "":
		left += "  " + l.note
	default:
		left += fmt.Sprintf("  %.1f fps  %d ms old  %dx%d", l.fps, l.age.Milliseconds(), l.size.X, l.size.Y)
		if l.card {
			left += "  (no picture from the camera)"
		}
	}
	right := "q quits "
	line := left
	if free := g.cols - runewidth.StringWidth(left) - runewidth.StringWidth(right); free > 0 {
		line += strings.Repeat(" ", free) + right
	}
	line = runewidth.FillRight(runewidth.Truncate(line, g.cols, "…"), g.cols)
	moveTo(w, g.rows-1, 0)
	w.WriteString("\x1b[0;7m" + line + "\x1b[0m")
}
