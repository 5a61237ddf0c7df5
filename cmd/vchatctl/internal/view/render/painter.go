package render

import (
	"encoding/binary"
	"image"
	"runtime"
	"sync"
)

// Painter paints a frame and words on a display's memory. That is written to row by row and never read: the memory of
// some displays is not cached, and reading it takes a hundred times as long.
type Painter struct {
	guard  func()
	text   *textRenderer
	main   layer
	pip    layer
	layers []*layer
	marks  []mark
	bands  []band
}

// band is what a goroutine needs that paints some of the rows.
type band struct {
	row    []byte
	layers [2]stretcher
}

// NewPainter makes a Painter. Guard is deferred by its goroutines.
func NewPainter(guard func()) *Painter { return &Painter{text: newTextRenderer(), guard: guard} }

// bandRows is the least that a goroutine is started for.
const bandRows = 64

// Paint paints everything. Main and pip may be nil.
func (p *Painter) Paint(px Pixels, main, pip *Frame, aspect float64, w *Overlay, words bool) {
	if px.W < 1 || px.H < 1 {
		return
	}
	p.layers, p.marks = p.layers[:0], p.marks[:0]
	if main != nil && !w.Blank {
		width, height := upright(main)
		place := fit(width, height, image.Rect(0, 0, px.W, px.H), aspect)
		p.add(&p.main, main, place, w.Stale)
	}
	if pip != nil {
		width, height := upright(pip)
		p.add(&p.pip, pip, pipRect(width, height, px, aspect), w.PIPStale)
	}
	if words {
		p.write(px, w)
	}
	n := max(1, min(runtime.GOMAXPROCS(0), px.H/bandRows))
	for len(p.bands) < n {
		p.bands = append(p.bands, band{})
	}
	var wg sync.WaitGroup
	for i := 1; i < n; i++ {
		wg.Go(func() {
			defer p.guard()
			p.rows(px, &p.bands[i], px.H*i/n, px.H*(i+1)/n)
		})
	}
	p.rows(px, &p.bands[0], 0, px.H/n)
	wg.Wait()
	p.text.tidy()
}

func (p *Painter) add(l *layer, d *Frame, place image.Rectangle, stale bool) {
	if place.Empty() {
		return
	}
	l.set(d.Planes, d.Rotate, place)
	l.stale = stale
	p.layers = append(p.layers, l)
}

// upright is the size of a decoded frame as it is shown.
func upright(d *Frame) (w, h int) {
	if d.Rotate%180 != 0 {
		return d.Planes.H, d.Planes.W
	}
	return d.Planes.W, d.Planes.H
}

// fit is the largest place for a frame of w by h inside r that keeps its shape; pixels are aspect times as high as wide.
func fit(w, h int, r image.Rectangle, aspect float64) image.Rectangle {
	if w < 1 || h < 1 || r.Empty() {
		return image.Rectangle{}
	}
	shape := float64(w) / float64(h) * aspect
	width, height := r.Dx(), int(float64(r.Dx())/shape+0.5)
	if height > r.Dy() {
		width, height = int(float64(r.Dy())*shape+0.5), r.Dy()
	}
	width, height = min(max(width, 1), r.Dx()), min(max(height, 1), r.Dy())
	x, y := r.Min.X+(r.Dx()-width)/2, r.Min.Y+(r.Dy()-height)/2
	return image.Rect(x, y, x+width, y+height)
}

// rows paints the rows from y0 to y1.
func (p *Painter) rows(px Pixels, b *band, y0, y1 int) {
	b.row = grown(b.row, 4*px.W)
	for i := range b.layers {
		b.layers[i].begin()
	}
	for y := y0; y < y1; y++ {
		if n := p.plain(px, y, y1); n > 0 {
			p.putPlain(px, &b.layers[0], y, n)
			y += n - 1
			continue
		}
		row, covered, straight := b.row, false, p.straight(px, y)
		if straight {
			row = px.Pix[y*px.Stride:][:4*px.W]
		}
		if len(p.layers) > 0 {
			r := p.layers[0].place
			covered = r.Min.X == 0 && r.Max.X == px.W && y >= r.Min.Y && y < r.Max.Y
		}
		if !covered {
			clear(row)
		}
		for i, l := range p.layers {
			if y < l.place.Min.Y || y >= l.place.Max.Y {
				continue
			}
			part := row[4*l.place.Min.X : 4*l.place.Max.X]
			b.layers[i].row(l, y-l.place.Min.Y, part)
			if l.stale {
				dim(part)
			}
		}
		for i := range p.marks {
			p.marks[i].blend(row, y)
		}
		if !straight {
			put(px.Pix[y*px.Stride:], row, px.Format)
		}
	}
}

// straight says that row y can be made where it is shown, as it is not looked at again.
func (p *Painter) straight(px Pixels, y int) bool {
	if px.Format != BGRX {
		return false
	}
	for i, l := range p.layers {
		if l.stale || i > 0 && y >= l.place.Min.Y && y < l.place.Max.Y {
			return false
		}
	}
	for i := range p.marks {
		if g := p.marks[i].ground; y >= g.Min.Y && y < g.Max.Y {
			return false
		}
	}
	return true
}

// plain is how many rows from y on, to y1 at most, have nothing but the frame as it is.
func (p *Painter) plain(px Pixels, y, y1 int) int {
	if len(p.layers) == 0 || !p.layers[0].asItIs() {
		return 0
	}
	place := p.layers[0].place
	if y < place.Min.Y || place.Dx() != px.W {
		return 0
	}
	end := min(y1, place.Max.Y)
	for _, l := range p.layers[1:] {
		end = before(l.place, y, end)
	}
	for i := range p.marks {
		end = before(p.marks[i].ground, y, end)
	}
	return max(0, end-y)
}

// before ends the rows from y to end where r begins, if it does not end before.
func before(r image.Rectangle, y, end int) int {
	if r.Max.Y <= y {
		return end
	}
	return min(end, r.Min.Y)
}

// putPlain writes such rows straight to the display.
func (p *Painter) putPlain(px Pixels, s *stretcher, y, n int) {
	l := p.layers[0]
	s.put(l.planes, y-l.place.Min.Y, n, px.Pix[y*px.Stride:], px.Stride, px.Format)
}

// put writes a row as the display wants it.
func put(dst, row []byte, f Format) {
	switch f {
	case BGRX:
		copy(dst, row)
	case RGBX:
		dst = dst[:len(row)]
		for i := 0; i+4 <= len(row); i += 4 {
			v := binary.LittleEndian.Uint32(row[i:])
			binary.LittleEndian.PutUint32(dst[i:], v>>16&0xFF|v&0xFF00|v&0xFF<<16|0xFF000000)
		}
	case RGB565:
		dst = dst[:len(row)/2]
		for i, o := 0, 0; i+4 <= len(row); i, o = i+4, o+2 {
			v := binary.LittleEndian.Uint32(row[i:])
			binary.LittleEndian.PutUint16(dst[o:], uint16(v>>8&0xF800|v>>5&0x07E0|v>>3&0x001F))
		}
	}
}
