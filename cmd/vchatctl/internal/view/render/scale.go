package render

import (
	"encoding/binary"
	"image"

	"vchat/daemon/mjpeg"
)

// layer is a frame in its place on a display, made row by row: rows are of four bytes a pixel, as BGRX has them.
//
//	planes ─▶ line of the source ─▶ stretched to the layer's width ─▶ two of them mixed to a row
//
// What is not upright, or more than twice as large as its place, becomes pixels as a whole before.
type layer struct {
	place   image.Rectangle // on the display
	stale   bool            // to be dimmed
	planes  *mjpeg.Planes   // the source; or else
	pix     []byte          // the same as pixels, w*h of them
	w, h    int             // of the source
	scratch []byte

	steps []step // for each column of the place
	shape [2]int // that they are for
}

// set prepares a layer for a frame and a place.
func (l *layer) set(p *mjpeg.Planes, rotate int, place image.Rectangle) {
	l.place, l.planes, l.w, l.h = place, p, p.W, p.H
	if rotate != 0 || l.w >= 2*place.Dx() || l.h >= 2*place.Dy() {
		l.render(rotate)
	}
	if l.shape == [2]int{l.w, place.Dx()} {
		return
	}
	l.shape = [2]int{l.w, place.Dx()}
	l.steps = l.steps[:0]
	for x := range place.Dx() {
		at, part := between(x, place.Dx(), l.w)
		l.steps = append(l.steps, step(4*at<<9|part))
	}
}

// asItIs says that the layer has the pixels of its planes and no others.
func (l *layer) asItIs() bool {
	return l.planes != nil && !l.stale && l.w == l.place.Dx() && l.h == l.place.Dy()
}

// between says which of n pixels are nearest to the middle of pixel x of m: this one, and so much of the next, of 256. There is
// a next one unless n is 1.
func between(x, m, n int) (at, part int) {
	p := max(0, (256*int64(2*x+1)*int64(n)-256*int64(m))/int64(2*m)) // 32 bits are too few for large frames
	at, part = int(p>>8), int(p&255)
	if at >= n-1 {
		return max(0, n-2), 256
	}
	return at, part
}

// render makes pixels of the planes, upright and less than twice as large as their place.
func (l *layer) render(rotate int) {
	p := l.planes
	n := 4 * p.W * p.H
	l.pix, l.planes = grown(l.pix, n), nil
	p.PutBGRX(l.pix, 4*p.W)
	if rotate != 0 {
		l.scratch = grown(l.scratch, n)
		turn(l.scratch, l.pix, l.w, l.h, rotate)
		l.pix, l.scratch = l.scratch, l.pix
		if rotate != 180 {
			l.w, l.h = l.h, l.w
		}
	}
	for l.w >= 2*l.place.Dx() && l.w > 1 {
		halve(l.pix, l.w, l.h, 4)
		l.w /= 2
	}
	for l.h >= 2*l.place.Dy() && l.h > 1 {
		halveRows(l.pix, l.w, l.h)
		l.h /= 2
	}
}

func grown(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// turn turns the w by h pixels of src clockwise.
func turn(dst, src []byte, w, h, rotate int) {
	for y := range h {
		to, step := 0, 0
		switch rotate {
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

// halve makes pixels half as wide, in place, each the mean of two; of an odd width the last one is left out.
func halve(pix []byte, w, h, _ int) {
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

// halveRows makes them half as high.
func halveRows(pix []byte, w, h int) {
	for y := range h / 2 {
		to, from := pix[4*y*w:4*(y+1)*w], pix[8*y*w:8*(y+1)*w]
		for x := 0; x < 4*w; x += 4 {
			a, b := binary.LittleEndian.Uint32(from[x:]), binary.LittleEndian.Uint32(from[4*w+x:])
			binary.LittleEndian.PutUint32(to[x:], mean(a, b))
		}
	}
}

// mean is the mean of two pixels, channel by channel.
func mean(a, b uint32) uint32 { return a&b + (a^b)>>1&0x7F7F7F7F }

// stretcher makes rows of a layer. Each goroutine that paints has its own.
type stretcher struct {
	line       [2][]byte // lines of the source, stretched to the layer's width …
	of         [2]int    // … and which they are
	raw        []byte    // lines of the source as pixels …
	top, lines int       // … and which they are
	part       mjpeg.Planes
}

// atOnce is how many lines are made pixels at a time.
const atOnce = 16

func (s *stretcher) begin() { s.of, s.lines = [2]int{-1, -1}, 0 }

// row makes row y of a layer, counted from its top, in dst.
func (s *stretcher) row(l *layer, y int, dst []byte) {
	at, part := between(y, l.place.Dy(), l.h)
	if part == 0 || l.h == 1 {
		copy(dst, s.stretched(l, at))
		return
	}
	mix(dst, s.stretched(l, at), s.stretched(l, at+1), uint64(part))
}

// stretched is a line of the source as wide as the layer.
func (s *stretcher) stretched(l *layer, y int) []byte {
	slot := y & 1
	if s.of[slot] == y {
		return s.line[slot]
	}
	s.of[slot] = y
	width := l.place.Dx()
	s.line[slot] = grown(s.line[slot], 4*width+4)[:4*width]
	raw := s.source(l, y)
	if l.w == width {
		copy(s.line[slot], raw)
		return s.line[slot]
	}
	stretch(s.line[slot], raw, l.steps)
	return s.line[slot]
}

// source is a line of the source.
func (s *stretcher) source(l *layer, y int) []byte {
	if l.planes == nil {
		return l.pix[4*y*l.w : 4*(y+1)*l.w]
	}
	if y < s.top || y >= s.top+s.lines {
		s.top, s.lines = y, min(atOnce, l.h-y)
		s.raw = grown(s.raw, 4*l.w*atOnce)
		s.put(l.planes, y, s.lines, s.raw, 4*l.w, BGRX)
	}
	return s.raw[4*l.w*(y-s.top):][:4*l.w]
}

// put makes pixels of n lines of planes, from line y on.
func (s *stretcher) put(p *mjpeg.Planes, y, n int, dst []byte, stride int, f Format) {
	// Lines that share a line of chroma begin where it does.
	if odd := y % p.SubY; odd != 0 && n > p.SubY-odd {
		some := p.SubY - odd
		s.put(p, y, some, dst, stride, f)
		y, n, dst = y+some, n-some, dst[some*stride:]
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

const lanes = 0x00FF00FF00FF00FF

// step says what a column of the place is made of: the pixel of the source left of its middle, by its offset in bytes, in the
// upper bits; and in the lowest nine how much of the one right of it, of 256.
type step uint32

// stretch makes a line of another width. What is mixed is a<<8 + (b-a)*part, four channels at a time.
func stretch(dst, src []byte, steps []step) {
	if len(src) < 8 { // one pixel
		for i := range steps {
			copy(dst[4*i:], src[:4])
		}
		return
	}
	for i, s := range steps {
		v := binary.LittleEndian.Uint64((*[8]byte)(src[s>>9:])[:])
		even, odd := v&lanes, v>>8&lanes
		a, b := even&(1<<32-1)|odd<<32, even>>32|odd&^(1<<32-1)
		a = (a<<8 + (b-a)*uint64(s&511)) >> 8 & lanes
		binary.LittleEndian.PutUint32((*[4]byte)(dst[4*i:])[:], uint32(a)|uint32(a>>24))
	}
}

// mix makes a row that is part of 256 b and the rest a, two pixels at a time.
func mix(dst, a, b []byte, part uint64) {
	n := len(dst) &^ 7
	a, b = a[:len(dst)], b[:len(dst)]
	for i := 0; i < n; i += 8 {
		p, q := binary.LittleEndian.Uint64((*[8]byte)(a[i:])[:]), binary.LittleEndian.Uint64((*[8]byte)(b[i:])[:])
		even, odd := p&lanes, p>>8&lanes
		even = (even<<8 + (q&lanes-even)*part) >> 8 & lanes
		odd = (odd<<8 + (q>>8&lanes-odd)*part) &^ lanes
		binary.LittleEndian.PutUint64((*[8]byte)(dst[i:])[:], even|odd)
	}
	for i := n; i < len(dst); i++ {
		dst[i] = byte((uint64(a[i])*(256-part) + uint64(b[i])*part) >> 8)
	}
}

// dim makes a row three eighths as bright.
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

// DecodeScale is by how much a frame of w by h can be decoded smaller for a place of inW by inH pixels without being
// enlarged again.
func DecodeScale(w, h, inW, inH int) int {
	for _, by := range [...]int{8, 4, 2} {
		if w >= by*inW || h >= by*inH {
			return by
		}
	}
	return 1
}
