package testcard

import (
	"fmt"
	"image"
	imagecolor "image/color"
	"image/draw"
	"math"

	"vchat/daemon/mjpeg"
)

// color is RGB, 0 to 255.
type color struct{ r, g, b float64 }

var (
	black       = color{9, 11, 15}
	white       = color{240, 243, 247}
	slate       = color{38, 45, 56}
	gridColor   = color{104, 116, 132}
	clockColor  = white
	numberColor = color{255, 190, 60}
	runnerColor = color{70, 200, 255}
	capColor    = color{24, 29, 37}
)

// blend mixes a and b: part 0 is a, 1 is b.
func (a color) blend(b color, part float64) color {
	return color{a.r + (b.r-a.r)*part, a.g + (b.g-a.g)*part, a.b + (b.b-a.b)*part}
}

func grey(v float64) color { return color{v, v, v} }

func (a color) rgba() imagecolor.RGBA { return imagecolor.RGBA{unit(a.r), unit(a.g), unit(a.b), 255} }

func unit(v float64) uint8 { return uint8(min(max(v+0.5, 0), 255)) }

// painter paints the static parts of the test pattern.
type painter struct {
	l         layout
	cx, cy, r float64 // of the circle, in pixels
	labels    []label
	in        band    // that line shows
	line      []color // inside, by column, without the shade of a row
}

// label is a line of text at a position.
type label struct {
	at    image.Point
	mask  *image.Alpha
	color color
}

func newPainter(l layout, name string, fps int) *painter {
	p := &painter{l: l, cx: float64(l.cols) * 8, cy: float64(16*l.top + 8*l.diameter), r: float64(8 * l.diameter)}
	if l.diameter == 0 {
		return p
	}
	for _, b := range l.bands {
		switch b.kind {
		case capBand:
			p.label(name, b, 0.62, 0.34)
		case rainbowBand:
			p.label(fmt.Sprintf("vchat  %d×%d  %d/s", l.width, l.height, fps), b, 0.36, 0.22)
		}
	}
	return p
}

// label centres text in a band. middle and height are fractions of the band's
// height. The letters shrink where the circle is too narrow.
func (p *painter) label(text string, b band, middle, height float64) {
	if text == "" || b.rows == 0 {
		return
	}
	y := 16 * (float64(b.top) + middle*float64(b.rows))
	size := height * 16 * float64(b.rows)
	width := 1.6 * math.Sqrt(max(p.r*p.r-(y-p.cy)*(y-p.cy), 0))
	if w := bold(size).width(text); w > width {
		size *= width / w
	}
	if size < 8 {
		return // too small to read
	}
	m := bold(size).mask(text)
	p.labels = append(p.labels, label{image.Pt(int(p.cx)-m.Rect.Dx()/2, int(y)-m.Rect.Dy()/2), m, white})
}

// draw paints one strip of the frame.
func (p *painter) draw(dst *image.RGBA) {
	for y := dst.Rect.Min.Y; y < dst.Rect.Max.Y; y++ {
		b := p.band(y / 16)
		p.enter(b)
		row := dst.Pix[dst.PixOffset(0, y):]
		for x := range dst.Rect.Max.X {
			c := p.at(x, y, b).rgba()
			row[4*x], row[4*x+1], row[4*x+2], row[4*x+3] = c.R, c.G, c.B, c.A
		}
	}
	for _, t := range p.labels {
		t.draw(dst)
	}
}

// enter computes the line of a band. A pattern is painted when the camera is
// opened: each cosine less lets a call begin earlier.
func (p *painter) enter(b band) {
	if b == p.in && p.line != nil {
		return
	}
	p.in, p.line = b, make([]color, 16*p.l.cols+16)
	for x := range p.line {
		u := float64(x) / float64(p.l.width)
		if p.l.diameter > 0 {
			u = (float64(x) - p.cx + p.r) / (2 * p.r)
		}
		p.line[x] = inside(b, u, x)
	}
}

func (t label) draw(dst *image.RGBA) {
	ink := image.NewUniform(t.color.rgba())
	draw.DrawMask(dst, t.mask.Rect.Add(t.at), ink, image.Point{}, t.mask, image.Point{}, draw.Over)
}

func (p *painter) band(row int) band {
	for _, b := range p.l.bands {
		if row >= b.top && row < b.top+b.rows {
			return b
		}
	}
	return band{kind: capBand}
}

// at returns the colour of pixel x, y, which is in band b, the one entered.
func (p *painter) at(x, y int, b band) color {
	if b.kind == trackBand {
		return runnerAt(-runnerLength, y-16*b.top, b.rows)
	}
	if p.l.diameter == 0 {
		return p.inside(x, y)
	}
	dx, dy := float64(x)+0.5-p.cx, float64(y)+0.5-p.cy
	square := dx*dx + dy*dy // of the distance from the centre
	const ring = 3          // pixels
	switch {
	case square < (p.r-ring-1)*(p.r-ring-1):
		return p.inside(x, y)
	case square > (p.r+1)*(p.r+1):
		return p.outside(x, y)
	}
	distance := math.Sqrt(square)
	c := p.inside(x, y).blend(white, min(max(distance-(p.r-ring), 0), 1))
	return c.blend(p.outside(x, y), min(max(distance-p.r+1, 0), 1))
}

// outside returns the background. It has a grid, a border that reveals
// cropping, and rings in the corners that get finer up to the pixel limit. The
// grain makes the frames as large as those of a camera.
func (p *painter) outside(x, y int) color {
	const cellSize, border = 64, 12
	w, h := p.l.width, 16*p.l.track.top
	if x < border || y < border || x >= w-border {
		along := x / 32
		if y >= border {
			along = y / 32
		}
		if along%2 == 0 {
			return white.blend(slate, 0.15)
		}
		return black
	}
	r := min(float64(h)*0.11, float64(w)*0.5-p.r*0.8)
	dx := float64(min(x, w-1-x)) - r - 1.6*border
	dy := float64(min(y, h-1-y)) - r - 1.6*border
	if square := dx*dx + dy*dy; square < r*r {
		d := math.Sqrt(square)
		return grey(128 + 95*math.Cos(0.5*math.Pi*d*d/(2*r))*min(1, (r-d)/2))
	}
	c := slate.blend(black, 0.5*float64(y)/float64(h))
	// Lines start at a tile border: a line across two tiles doubles their size.
	onLine := func(v, middle int) bool { return (v-middle/16*16+cellSize<<10)%cellSize < 2 }
	if onLine(x, int(p.cx)) || onLine(y, int(p.cy)) {
		c = gridColor.blend(slate, 0.3)
	}
	g := grain(x, y)
	return color{c.r + g, c.g + g, c.b + g}
}

// grain returns noise from -1.5 to 1.5, always the same for a pixel.
func grain(x, y int) float64 {
	n := uint32(x)*0x9E3779B1 ^ uint32(y)*0x85EBCA77
	n = (n ^ n>>15) * 0x2C1B3C6D
	n ^= n >> 13
	return 3*float64(n&0xFFFF)/0xFFFF - 1.5
}

// bars are the 75 % colour bars, from light to dark.
var bars = [...]color{
	{191, 191, 191}, {191, 191, 0}, {0, 191, 191}, {0, 191, 0}, {191, 0, 191}, {191, 0, 0}, {0, 0, 191},
}

// gratings are periods in pixels.
var gratings = [...]int{12, 8, 6, 4, 3, 2}

// inside returns the colour of pixel x, y of the band entered.
func (p *painter) inside(x, y int) color {
	c := p.line[x]
	if p.in.kind == rainbowBand {
		v := float64(y-16*p.in.top) / float64(16*max(p.in.rows, 1))
		c = c.blend(black, 0.25+0.6*v)
	}
	return c
}

// inside returns the colour of a band at u, 0 to 1 from left to right, which is
// column x.
func inside(b band, u float64, x int) color {
	u = min(max(u, 0), 0.9999)
	switch b.kind {
	case capBand:
		return capColor
	case barsBand:
		return bars[int(u*float64(len(bars)))]
	case gratingsBand:
		period := float64(gratings[int(u*float64(len(gratings)))])
		return grey(128 + 100*math.Cos(2*math.Pi*float64(x)/period))
	case stepsBand:
		return grey(math.Floor(u*11) * 25.5)
	case rainbowBand:
		hue := func(shift float64) float64 { return 110 + 90*math.Cos(2*math.Pi*(u-shift)) }
		return color{hue(0), hue(1. / 3), hue(2. / 3)}
	}
	return black
}

// paintGlyphs encodes characters of w by h tiles each.
func paintGlyphs(enc *mjpeg.Encoder, chars string, w, h int, c color) *glyphs {
	s := new(glyphs)
	for i := range len(chars) {
		s[chars[i]] = paint(enc, 16*w, 16*h, func(dst *image.RGBA) { drawChar(dst, chars[i:i+1], 16*w, 16*h, c) })
	}
	return s
}

// drawChar draws a character centred in a cell of w by h pixels. All characters
// share a baseline.
func drawChar(dst *image.RGBA, char string, w, h int, c color) {
	const digitHeight, digitWidth = 0.72, 0.58 // em, in Go Bold
	size := min(float64(h)/(digitHeight*1.25), float64(w)/digitWidth)
	if char == ":" || char == "." {
		size = float64(h) / (digitHeight * 1.25)
	}
	draw.Draw(dst, dst.Rect, image.NewUniform(black.rgba()), image.Point{}, draw.Src)
	f := bold(size)
	m := f.mask(char)
	top := (float64(h)+digitHeight*size)/2 - f.ascent()
	label{image.Pt((w-m.Rect.Dx())/2, int(math.Round(top))), m, c}.draw(dst)
}

// runnerLength is the length of the runner in pixels. The runner is a light
// with a tail that moves along the track from left to right.
const runnerLength = 240

// runnerAt returns the colour dx pixels right of the runner's head, in line y
// of a track of rows tiles.
func runnerAt(dx, y, rows int) color {
	h := float64(16 * rows)
	v := (float64(y) + 0.5 - h/2) / (h / 2) // -1 to 1
	back := black.blend(slate, 0.9*math.Abs(v)*math.Abs(v))
	if dx > 0 || dx <= -runnerLength {
		return back
	}
	tail := 1 + float64(dx)/runnerLength
	width := 0.15 + 0.6*tail
	brightness := tail * tail * math.Exp(-v*v/(width*width))
	if dx > -6 {
		return back.blend(white, min(1, 1.6*math.Exp(-v*v/0.5)))
	}
	return back.blend(runnerColor, brightness)
}

// paintRunner encodes a tile for every distance from the head.
func paintRunner(enc *mjpeg.Encoder, track band) *tiles {
	n := runnerTile(1<<30) + 1
	return paint(enc, 16*n, 16*track.rows, func(dst *image.RGBA) {
		line := make([]imagecolor.RGBA, n+15) // the pixels of all tiles, each once
		for y := dst.Rect.Min.Y; y < dst.Rect.Max.Y; y++ {
			for i := range line {
				line[i] = runnerAt(i-runnerLength-15, y, track.rows).rgba()
			}
			for x := range 16 * n {
				dst.SetRGBA(x, y, line[x/16+x%16])
			}
		}
	})
}

// runnerTile returns the index of the tile whose left edge is distance pixels
// right of the head.
func runnerTile(distance int) int { return min(max(distance, -runnerLength-15), 1) + runnerLength + 15 }
