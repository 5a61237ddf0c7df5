package render

import (
	"encoding/binary"
	"image"
	"runtime"
	"sync"

	"vchat/cmd/vchatctl/internal/view/look"
)

// Painter paints frames and an overlay. It is not safe for concurrent use. It
// keeps its buffers, so painting hardly allocates once it is warm.
type Painter struct {
	recoverPanic func()
	text         *textRenderer
	main         layer
	pip          layer
	layers       []*layer // bottom to top
	pipFrame     shape    // behind the picture-in-picture; rect is empty without one
	shapes       []shape  // above the layers, bottom to top
	blocks       []textBlock
	kept         []Control
	masks        *masks
	layout       layout
	bands        []band
	behind       uint32 // the color where there is no frame

	hitsMu sync.Mutex
	hits   []hit // the controls that were painted last

	newHits []hit // those that are being painted
}

// band is the working memory of a goroutine that paints some of the rows.
type band struct {
	row     []byte
	under   []byte // what shows at the round corners of the picture-in-picture
	scalers [2]rowScaler
}

// NewPainter returns a painter. Each goroutine of Paint defers recoverPanic.
func NewPainter(recoverPanic func()) *Painter {
	return &Painter{text: newTextRenderer(), masks: newMasks(), recoverPanic: recoverPanic}
}

// minBandRows is how many rows make starting a goroutine worthwhile.
const minBandRows = 64

// Paint fills px. It shows main in the middle, pip mirrored in a corner where
// it covers no text and, if drawText is set, the texts of o. Either frame may
// be nil. A pixel of the display is aspect times as high as it is wide.
func (p *Painter) Paint(px Pixels, main, pip *Frame, aspect float64, o *Overlay, drawText bool) {
	if px.W < 1 || px.H < 1 {
		return
	}
	p.layers, p.shapes = p.layers[:0], p.shapes[:0]
	p.behind, p.pipFrame = 0, shape{}
	p.text.refresh()
	if main != nil && !o.Blank {
		w, h := uprightSize(main)
		p.addLayer(&p.main, main, fit(w, h, image.Rect(0, 0, px.W, px.H), aspect), o.Stale)
	}
	size := image.Point{}
	if pip != nil {
		w, h := uprightSize(pip)
		size = pipSize(w, h, px, aspect)
	}
	if !drawText { // the display shows the texts itself
		o = &Overlay{PIPAt: o.PIPAt, PIPStale: o.PIPStale, PIPText: o.PIPText}
	} else if o.Blank {
		p.behind = uint32(look.Background)
	}
	if r := p.layoutOverlay(px, o, len(p.layers) > 0, size); pip != nil && o.PIPText == "" {
		p.addLayer(&p.pip, pip, r, o.PIPStale)
	}
	n := max(1, min(runtime.GOMAXPROCS(0), px.H/minBandRows))
	for len(p.bands) < n {
		p.bands = append(p.bands, band{})
	}
	var wg sync.WaitGroup
	for i := 1; i < n; i++ {
		wg.Go(func() {
			defer p.recoverPanic()
			p.paintRows(px, &p.bands[i], px.H*i/n, px.H*(i+1)/n)
		})
	}
	p.paintRows(px, &p.bands[0], 0, px.H/n)
	wg.Wait()
	p.text.evict()
}

func (p *Painter) addLayer(l *layer, f *Frame, rect image.Rectangle, stale bool) {
	if rect.Empty() {
		return
	}
	l.set(f.Planes, f.Rotate, rect)
	l.stale = stale
	p.layers = append(p.layers, l)
}

// uprightSize returns the size of a frame after rotation.
func uprightSize(f *Frame) (w, h int) {
	if f.Rotate%180 != 0 {
		return f.Planes.H, f.Planes.W
	}
	return f.Planes.W, f.Planes.H
}

// fit returns the largest rectangle in the middle of r that has the aspect
// ratio of a frame of w by h. Pixels are aspect times as high as wide.
func fit(w, h int, r image.Rectangle, aspect float64) image.Rectangle {
	if w < 1 || h < 1 || r.Empty() {
		return image.Rectangle{}
	}
	ratio := float64(w) / float64(h) * aspect
	width, height := r.Dx(), int(float64(r.Dx())/ratio+0.5)
	if height > r.Dy() {
		width, height = int(float64(r.Dy())*ratio+0.5), r.Dy()
	}
	width, height = min(max(width, 1), r.Dx()), min(max(height, 1), r.Dy())
	x, y := r.Min.X+(r.Dx()-width)/2, r.Min.Y+(r.Dy()-height)/2
	return image.Rect(x, y, x+width, y+height)
}

// paintRows paints the rows from y0 to y1. It takes the fastest of three paths:
// convert unscaled rows straight to the display, compose a row in place, or
// compose it in b.row and convert it.
func (p *Painter) paintRows(px Pixels, b *band, y0, y1 int) {
	b.row = resize(b.row, 4*px.W)
	for i := range b.scalers {
		b.scalers[i].reset()
	}
	for y := y0; y < y1; y++ {
		if n := p.unscaledRows(px, y, y1); n > 0 {
			l := p.layers[0]
			b.scalers[0].convert(l.planes, y-l.rect.Min.Y, n, px.Pix[y*px.Stride:], px.Stride, px.Format)
			y += n - 1
			continue
		}
		row, covered, inPlace := b.row, false, p.inPlace(px, y)
		if inPlace {
			row = px.Pix[y*px.Stride:][:4*px.W]
		}
		if len(p.layers) > 0 {
			r := p.layers[0].rect
			covered = r.Min.X == 0 && r.Max.X == px.W && y >= r.Min.Y && y < r.Max.Y
		}
		if !covered {
			fill(row, p.behind)
		}
		for i, l := range p.layers {
			if l == &p.pip {
				p.pipFrame.blend(row, y)
			}
			if y < l.rect.Min.Y || y >= l.rect.Max.Y {
				continue
			}
			part := row[4*l.rect.Min.X : 4*l.rect.Max.X]
			if l == &p.pip {
				b.under = append(b.under[:0], part...)
			}
			b.scalers[i].row(l, y-l.rect.Min.Y, part)
			if l == &p.pip {
				mirror(part) // as in a mirror: people look at their own picture
			}
			if l.stale {
				dim(part)
			}
			if l == &p.pip {
				l.round(part, b.under, y)
			}
		}
		for i := range p.shapes {
			p.shapes[i].blend(row, y)
		}
		if !inPlace {
			convertRow(px.Pix[y*px.Stride:], row, px.Format)
		}
	}
}

// inPlace reports whether row y can be composed in the display's memory. That
// is the case if no step has to read the row back.
func (p *Painter) inPlace(px Pixels, y int) bool {
	if px.Format != BGRX {
		return false
	}
	if y >= p.pipFrame.rect.Min.Y && y < p.pipFrame.rect.Max.Y {
		return false
	}
	for i, l := range p.layers {
		if l.stale || i > 0 && y >= l.rect.Min.Y && y < l.rect.Max.Y {
			return false
		}
	}
	for i := range p.shapes {
		if r := p.shapes[i].rect; y >= r.Min.Y && y < r.Max.Y {
			return false
		}
	}
	return true
}

// unscaledRows returns how many rows from y on, up to y1, show the main frame
// alone, unscaled and over the full width.
func (p *Painter) unscaledRows(px Pixels, y, y1 int) int {
	if len(p.layers) == 0 || !p.layers[0].unscaled() {
		return 0
	}
	rect := p.layers[0].rect
	if y < rect.Min.Y || rect.Dx() != px.W {
		return 0
	}
	end := min(y1, rect.Max.Y)
	if !p.pipFrame.rect.Empty() {
		end = endBefore(p.pipFrame.rect, y, end)
	}
	for _, l := range p.layers[1:] {
		end = endBefore(l.rect, y, end)
	}
	for i := range p.shapes {
		end = endBefore(p.shapes[i].rect, y, end)
	}
	return max(0, end-y)
}

// fill fills a row with a color.
func fill(row []byte, c uint32) {
	if c == 0 {
		clear(row)
		return
	}
	for i := 0; i+4 <= len(row); i += 4 {
		binary.LittleEndian.PutUint32(row[i:], c)
	}
}

// round gives a row of a layer round corners, outside of which shows under.
func (l *layer) round(part, under []byte, y int) {
	if l.corner == nil {
		return
	}
	r := l.corner.Rect.Dx()
	line := min(y-l.rect.Min.Y, l.rect.Max.Y-1-y)
	if line >= r {
		return
	}
	for i, alpha := range l.corner.Pix[line*l.corner.Stride:][:r] {
		for _, at := range [...]int{4 * i, len(part) - 4*(i+1)} {
			c := binary.LittleEndian.Uint32(part[at:])
			copy(part[at:at+4], under[at:])
			blendPixel(part[at:], c, uint32(alpha))
		}
	}
}

// mirror reverses the pixels of a row.
func mirror(row []byte) {
	for i, j := 0, len(row)-4; i < j; i, j = i+4, j-4 {
		a, b := binary.LittleEndian.Uint32(row[i:]), binary.LittleEndian.Uint32(row[j:])
		binary.LittleEndian.PutUint32(row[i:], b)
		binary.LittleEndian.PutUint32(row[j:], a)
	}
}

// endBefore shortens the rows from y to end so that they do not touch r.
func endBefore(r image.Rectangle, y, end int) int {
	if r.Max.Y <= y {
		return end
	}
	return min(end, r.Min.Y)
}

// convertRow writes a row of BGRX pixels in the display's format.
func convertRow(dst, row []byte, f Format) {
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
