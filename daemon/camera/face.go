package camera

import (
	"encoding/binary"
	"image"
	"math"
	"sync"

	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/vector"
)

// face draws text in Go Bold, which has the Latin, Greek and Cyrillic letters. It reads the font's outlines by itself: the
// file is part of the program, so of TrueType only what is in it is understood, and x/image's own reader would bring
// golang.org/x/text's tables along.
type face struct {
	glyf, loca, hmtx, cmap []byte
	em                     float32 // units
	ascent, descent        float32 // units, both positive
	metrics                int     // entries of hmtx with an advance
}

// bold is parsed when the first text is drawn.
var bold = sync.OnceValue(func() *face { return parseFace(gobold.TTF) })

func parseFace(ttf []byte) *face {
	tables := make(map[string][]byte)
	for i := range int(u16(ttf[4:])) {
		rec := ttf[12+16*i:]
		at, n := u32(rec[8:]), u32(rec[12:])
		tables[string(rec[:4])] = ttf[at : at+n]
	}
	f := &face{
		glyf: tables["glyf"], loca: tables["loca"], hmtx: tables["hmtx"],
		em:      float32(u16(tables["head"][18:])),
		ascent:  float32(i16(tables["hhea"][4:])),
		descent: -float32(i16(tables["hhea"][6:])),
		metrics: int(u16(tables["hhea"][34:])),
	}
	if long := u16(tables["head"][50:]) != 0; !long { // widen it, so that there is one kind
		wide := make([]byte, 0, 2*len(f.loca))
		for i := 0; i+1 < len(f.loca); i += 2 {
			wide = binary.BigEndian.AppendUint32(wide, 2*uint32(u16(f.loca[i:])))
		}
		f.loca = wide
	}
	cmap := tables["cmap"]
	for i := range int(u16(cmap[2:])) {
		if sub := cmap[u32(cmap[4+8*i+4:]):]; u16(sub) == 4 {
			f.cmap = sub
		}
	}
	return f
}

func u16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func i16(b []byte) int16  { return int16(u16(b)) }
func u32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

// glyph finds a rune's glyph by a format 4 cmap; 0 is the box for what the font has not.
func (f *face) glyph(r rune) int {
	if r > 0xFFFF {
		return 0
	}
	n := int(u16(f.cmap[6:])) // twice the number of segments
	ends, starts, deltas, offsets := f.cmap[14:], f.cmap[16+n:], f.cmap[16+2*n:], f.cmap[16+3*n:]
	for i := 0; i < n; i += 2 {
		if int(r) > int(u16(ends[i:])) {
			continue
		}
		start, delta, offset := int(u16(starts[i:])), int(u16(deltas[i:])), int(u16(offsets[i:]))
		switch {
		case int(r) < start:
			return 0
		case offset == 0:
			return (int(r) + delta) & 0xFFFF
		}
		if g := int(u16(offsets[i+offset+2*(int(r)-start):])); g != 0 {
			return (g + delta) & 0xFFFF
		}
		return 0
	}
	return 0
}

func (f *face) advance(g int) float32 { return float32(u16(f.hmtx[4*min(g, f.metrics-1):])) }

// width is how many pixels the text takes at size pixels an em.
func (f *face) width(s string, size float32) float32 {
	var w float32
	for _, r := range s {
		w += f.advance(f.glyph(r))
	}
	return w * size / f.em
}

// mask draws a line of text at size pixels an em. The mask is as wide as the text, and as high as ascent and descent.
func (f *face) mask(s string, size float32) *image.Alpha {
	scale := size / f.em
	w := int(math.Ceil(float64(f.width(s, size)))) + 2
	h := int(math.Ceil(float64((f.ascent + f.descent) * scale)))
	ras := vector.NewRasterizer(w, h)
	x := float32(1)
	for _, r := range s {
		g := f.glyph(r)
		f.outline(ras, g, x, f.ascent*scale, scale, 0)
		x += f.advance(g) * scale
	}
	m := image.NewAlpha(image.Rect(0, 0, w, h))
	ras.Draw(m, m.Bounds(), image.Opaque, image.Point{})
	return m
}

// outline adds a glyph with its origin at x, y.
func (f *face) outline(ras *vector.Rasterizer, g int, x, y, scale float32, depth int) {
	from, to := u32(f.loca[4*g:]), u32(f.loca[4*g+4:])
	if from == to || depth > 4 {
		return // a space has no outline
	}
	b := f.glyf[from:to]
	if contours := int(i16(b)); contours >= 0 {
		simple(ras, b[10:], contours, x, y, scale)
		return
	}
	const words, xy, scaled, more = 1, 2, 8 | 0x40 | 0x80, 0x20
	for b = b[10:]; ; {
		flags, part := u16(b), int(u16(b[2:]))
		var dx, dy float32
		if flags&words != 0 {
			dx, dy, b = float32(i16(b[4:])), float32(i16(b[6:])), b[8:]
		} else {
			dx, dy, b = float32(int8(b[4])), float32(int8(b[5])), b[6:]
		}
		if flags&xy != 0 && flags&scaled == 0 { // Go Bold has no others
			f.outline(ras, part, x+dx*scale, y-dy*scale, scale, depth+1)
		}
		if flags&more == 0 {
			return
		}
	}
}

type point struct {
	x, y float32
	on   bool // the curve, not beside it
}

// simple adds a glyph that is made of contours.
func simple(ras *vector.Rasterizer, b []byte, contours int, x, y, scale float32) {
	ends := b
	n := int(u16(b[2*contours-2:])) + 1
	b = b[2*contours:]
	points := readPoints(b[2+int(u16(b)):], n) // behind the hinting
	for i := range points {
		points[i].x, points[i].y = x+points[i].x*scale, y-points[i].y*scale
	}
	first := 0
	for i := range contours {
		end := int(u16(ends[2*i:])) + 1
		contour(ras, points[first:end])
		first = end
	}
}

// readPoints reads flags, then all x, then all y.
func readPoints(b []byte, n int) []point {
	const on, xShort, yShort, repeat, xSame, ySame = 1, 2, 4, 8, 16, 32
	flags := make([]byte, 0, n)
	for len(flags) < n {
		fl, times := b[0], 1
		b = b[1:]
		if fl&repeat != 0 {
			times, b = 1+int(b[0]), b[1:]
		}
		for range times {
			flags = append(flags, fl)
		}
	}
	coordinate := func(fl, short, same byte, at float32) float32 {
		switch {
		case fl&short != 0 && fl&same != 0:
			at, b = at+float32(b[0]), b[1:]
		case fl&short != 0:
			at, b = at-float32(b[0]), b[1:]
		case fl&same == 0:
			at, b = at+float32(i16(b)), b[2:]
		}
		return at
	}
	points := make([]point, n)
	var x, y float32
	for i, fl := range flags[:n] {
		x = coordinate(fl, xShort, xSame, x)
		points[i] = point{x: x, on: fl&on != 0}
	}
	for i, fl := range flags[:n] {
		y = coordinate(fl, yShort, ySame, y)
		points[i].y = y
	}
	return points
}

// contour draws quadratic curves. Between two points that are both off the curve lies one on it, in the middle.
func contour(ras *vector.Rasterizer, p []point) {
	if len(p) < 2 {
		return
	}
	middle := func(a, b point) point { return point{(a.x + b.x) / 2, (a.y + b.y) / 2, true} }
	start := p[0]
	if !start.on {
		if last := p[len(p)-1]; last.on {
			start = last
		} else {
			start = middle(start, last)
		}
	}
	ras.MoveTo(start.x, start.y)
	for i, a := range p {
		b := p[(i+1)%len(p)]
		switch {
		case a.on && i > 0:
			if p[i-1].on {
				ras.LineTo(a.x, a.y)
			}
		case !a.on && b.on:
			ras.QuadTo(a.x, a.y, b.x, b.y)
		case !a.on:
			m := middle(a, b)
			ras.QuadTo(a.x, a.y, m.x, m.y)
		}
	}
	ras.ClosePath()
}
