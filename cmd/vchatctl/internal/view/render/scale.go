package render

import (
	"encoding/binary"
	"image"

	"vchat/daemon/mjpeg"
)

// layer is a frame at its place on the display. rowScaler produces its rows as
// BGRX.
//
//	planes ─▶ source lines ─▶ scaled to the layer's width ─▶ blended to a row
//
// An enlarger does that for a frame that is smaller than its place and not
// rotated. set converts the whole frame first if it is rotated, or at least
// twice as large as its place.
type layer struct {
	rect    image.Rectangle // on the display
	stale   bool            // dim it
	corner  *image.Alpha    // the upper left one, if they are round
	planes  *mjpeg.Planes   // the source; nil if it is pix
	pix     []byte          // the source as BGRX, w by h pixels
	w, h    int             // size of the source
	scratch []byte

	enlargement enlargement    // if the frame is smaller than rect
	columns     []columnSample // otherwise: one for each column of rect
	scaling     [2]int         // source and target width of columns
}

// set prepares the layer to show a frame at rect.
func (l *layer) set(p *mjpeg.Planes, rotate int, rect image.Rectangle) {
	l.rect, l.planes, l.w, l.h = rect, p, p.W, p.H
	if rotate != 0 || l.w >= 2*rect.Dx() || l.h >= 2*rect.Dy() {
		l.convert(rotate)
	}
	if l.enlarged() {
		l.enlargement.set(l.planes, rect.Dx())
		return
	}
	if l.scaling == [2]int{l.w, rect.Dx()} {
		return
	}
	l.scaling = [2]int{l.w, rect.Dx()}
	l.columns = l.columns[:0]
	for x := range rect.Dx() {
		i, weight := samplePos(x, rect.Dx(), l.w)
		l.columns = append(l.columns, columnSample(4*i<<9|weight))
	}
}

// unscaled reports whether the layer shows the pixels of its planes unchanged.
func (l *layer) unscaled() bool {
	return l.planes != nil && !l.stale && l.w == l.rect.Dx() && l.h == l.rect.Dy()
}

// samplePos returns where the middle of pixel x of m lies among n source
// pixels: between pixels i and i+1, the latter weighted with weight/256. Pixel
// i+1 exists unless n is 1.
func samplePos(x, m, n int) (i, weight int) { return between(int64(2*x+1)*int64(n), int64(2*m), n) }

// between does the same for the position num/den, counted from the left edge of
// the first pixel. Large frames need 64 bits.
func between(num, den int64, n int) (i, weight int) {
	p := max(0, (256*num-128*den)/den)
	i, weight = int(p>>8), int(p&255)
	if i >= n-1 {
		return max(0, n-2), 256
	}
	return i, weight
}

// convert converts the planes to upright pixels, less than twice as large as
// their place.
func (l *layer) convert(rotate int) {
	p := l.planes
	n := 4 * p.W * p.H
	l.pix, l.planes = resize(l.pix, n), nil
	p.PutBGRX(l.pix, 4*p.W)
	if rotate != 0 {
		l.scratch = resize(l.scratch, n)
		rotatePixels(l.scratch, l.pix, l.w, l.h, rotate)
		l.pix, l.scratch = l.scratch, l.pix
		if rotate != 180 {
			l.w, l.h = l.h, l.w
		}
	}
	for l.w >= 2*l.rect.Dx() && l.w > 1 {
		halveColumns(l.pix, l.w, l.h)
		l.w /= 2
	}
	for l.h >= 2*l.rect.Dy() && l.h > 1 {
		halveRows(l.pix, l.w, l.h)
		l.h /= 2
	}
}

// resize returns a slice of n bytes with undefined contents, b if it fits.
func resize(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// rotatePixels rotates the w by h pixels of src clockwise into dst.
func rotatePixels(dst, src []byte, w, h, degrees int) {
	for y := range h {
		to, step := 0, 0
		switch degrees {
		case 90:
			to, step = h-1-y, h
		case 180:
			to, step = w*(h-y)-1, -1
		case 270:
			to, step = (w-1)*h+y, -h
		}
		for x := range w {
			v := binary.LittleEndian.Uint32(src[4*(y*w+x):])
			binary.LittleEndian.PutUint32(dst[4*to:], v)
			to += step
		}
	}
}

// halveColumns halves the width in place: each pixel becomes the mean of two.
// It drops the last column of an odd width.
func halveColumns(pix []byte, w, h int) {
	to := 0
	for y := range h {
		from := 4 * y * w
		for range w / 2 {
			a, b := binary.LittleEndian.Uint32(pix[from:]), binary.LittleEndian.Uint32(pix[from+4:])
			binary.LittleEndian.PutUint32(pix[to:], mean(a, b))
			from, to = from+8, to+4
		}
	}
}

// halveRows halves the height in place. It drops the last row of an odd height.
func halveRows(pix []byte, w, h int) {
	for y := range h / 2 {
		to, from := pix[4*y*w:4*(y+1)*w], pix[8*y*w:8*(y+1)*w]
		for x := 0; x < 4*w; x += 4 {
			a, b := binary.LittleEndian.Uint32(from[x:]), binary.LittleEndian.Uint32(from[4*w+x:])
			binary.LittleEndian.PutUint32(to[x:], mean(a, b))
		}
	}
}

// mean returns the mean of two pixels in each channel.
func mean(a, b uint32) uint32 { return a&b + (a^b)>>1&0x7F7F7F7F }

// rowScaler produces the rows of a layer. Each painting goroutine has its own.
type rowScaler struct {
	scaled     [2][]byte // source lines, scaled to the layer's width …
	scaledLine [2]int    // … and their numbers; -1 if none

	raw      []byte // source lines as BGRX …
	rawFirst int    // … the number of the first …
	rawLines int    // … and how many

	part mjpeg.Planes // scratch: some lines of the source

	enlarger enlarger
}

// rawLinesPerCall is how many source lines are converted at a time.
const rawLinesPerCall = 16

// reset drops cached lines: they belong to an older frame.
func (s *rowScaler) reset() {
	s.scaledLine, s.rawLines = [2]int{-1, -1}, 0
	s.enlarger.reset()
}

// row writes row y of a layer, counted from its top, to dst.
func (s *rowScaler) row(l *layer, y int, dst []byte) {
	if l.enlarged() {
		s.enlarger.row(l, y, dst)
		return
	}
	i, weight := samplePos(y, l.rect.Dy(), l.h)
	if weight == 0 || l.h == 1 {
		copy(dst, s.scaledSource(l, i))
		return
	}
	blendLines(dst, s.scaledSource(l, i), s.scaledSource(l, i+1), uint64(weight))
}

// scaledSource returns line y of the source, scaled to the layer's width.
func (s *rowScaler) scaledSource(l *layer, y int) []byte {
	slot := y & 1
	if s.scaledLine[slot] == y {
		return s.scaled[slot]
	}
	s.scaledLine[slot] = y
	width := l.rect.Dx()
	s.scaled[slot] = resize(s.scaled[slot], 4*width+4)[:4*width]
	raw := s.source(l, y)
	if l.w == width {
		copy(s.scaled[slot], raw)
		return s.scaled[slot]
	}
	scaleLine(s.scaled[slot], raw, l.columns)
	return s.scaled[slot]
}

// source returns line y of the source as BGRX.
func (s *rowScaler) source(l *layer, y int) []byte {
	if l.planes == nil {
		return l.pix[4*y*l.w : 4*(y+1)*l.w]
	}
	if y < s.rawFirst || y >= s.rawFirst+s.rawLines {
		s.rawFirst, s.rawLines = y, min(rawLinesPerCall, l.h-y)
		s.raw = resize(s.raw, 4*l.w*rawLinesPerCall)
		s.convert(l.planes, y, s.rawLines, s.raw, 4*l.w, BGRX)
	}
	return s.raw[4*l.w*(y-s.rawFirst):][:4*l.w]
}

// convert converts n lines of planes from line y on.
func (s *rowScaler) convert(p *mjpeg.Planes, y, n int, dst []byte, stride int, f Format) {
	// With subsampled chroma, the lines that share a chroma line have to start
	// where it does.
	if odd := y % p.SubY; odd != 0 && n > p.SubY-odd {
		first := p.SubY - odd
		s.convert(p, y, first, dst, stride, f)
		y, n, dst = y+first, n-first, dst[first*stride:]
	}
	s.part = *p
	s.part.H, s.part.Y = n, p.Y[y*p.YStride:]
	if p.Cb != nil {
		s.part.Cb, s.part.Cr = p.Cb[y/p.SubY*p.CStride:], p.Cr[y/p.SubY*p.CStride:]
	}
	switch f {
	case BGRX:
		s.part.PutBGRX(dst, stride)
	case RGBX:
		s.part.PutRGBX(dst, stride)
	case RGB565:
		s.part.PutRGB565(dst, stride)
	}
}

// byteLanes selects every other byte, which leaves 8 bits to compute in.
const byteLanes = 0x00FF00FF00FF00FF

// columnSample describes a column of the target. The upper bits are the offset
// in bytes of the source pixel to the left of its middle. The lowest nine bits
// are the weight of the pixel to the right, out of 256.
type columnSample uint32

// scaleLine scales a line. It computes a<<8 + (b-a)*weight, rounded, for the
// four channels of a pixel at once.
func scaleLine(dst, src []byte, columns []columnSample) {
	if len(src) < 8 { // a single pixel
		for i := range columns {
			copy(dst[4*i:], src[:4])
		}
		return
	}
	for i, s := range columns {
		v := binary.LittleEndian.Uint64((*[8]byte)(src[s>>9:])[:])
		even, odd := v&byteLanes, v>>8&byteLanes
		a, b := even&(1<<32-1)|odd<<32, even>>32|odd&^(1<<32-1)
		a = (a<<8 + (b-a)*uint64(s&511) + 128*laneOnes) >> 8 & byteLanes
		binary.LittleEndian.PutUint32((*[4]byte)(dst[4*i:])[:], uint32(a)|uint32(a>>24))
	}
}

// blendLines blends two lines, b weighted with weight/256. It computes two
// pixels at once.
func blendLines(dst, a, b []byte, weight uint64) {
	n := len(dst) &^ 7
	a, b = a[:len(dst)], b[:len(dst)]
	for i := 0; i < n; i += 8 {
		p, q := binary.LittleEndian.Uint64((*[8]byte)(a[i:])[:]), binary.LittleEndian.Uint64((*[8]byte)(b[i:])[:])
		even, odd := p&byteLanes, p>>8&byteLanes
		even = (even<<8 + (q&byteLanes-even)*weight + 128*laneOnes) >> 8 & byteLanes
		odd = (odd<<8 + (q>>8&byteLanes-odd)*weight + 128*laneOnes) &^ byteLanes
		binary.LittleEndian.PutUint64((*[8]byte)(dst[i:])[:], even|odd)
	}
	for i := n; i < len(dst); i++ {
		dst[i] = byte((uint64(a[i])*(256-weight) + uint64(b[i])*weight + 128) >> 8)
	}
}

// dim reduces the brightness of a row to three eighths.
func dim(row []byte) {
	const low3, low2 = 0x1F1F1F1F1F1F1F1F, 0x3F3F3F3F3F3F3F3F
	n := len(row) &^ 7
	for i := 0; i < n; i += 8 {
		v := binary.LittleEndian.Uint64(row[i:])
		binary.LittleEndian.PutUint64(row[i:], v>>2&low2+v>>3&low3)
	}
	for i := n; i < len(row); i++ {
		row[i] = row[i]>>2 + row[i]>>3
	}
}

// DecodeScale returns the largest of 8, 4, 2 and 1 by which a decoder can
// reduce a frame of w by h for a place of maxW by maxH, such that showing it
// does not enlarge it again.
func DecodeScale(w, h, maxW, maxH int) int {
	for _, scale := range [...]int{8, 4, 2} {
		if w >= scale*maxW || h >= scale*maxH {
			return scale
		}
	}
	return 1
}
