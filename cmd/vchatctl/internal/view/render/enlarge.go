package render

import (
	"encoding/binary"
	"math"

	"vchat/daemon/mjpeg"
)

// A frame smaller than its place is enlarged before it is converted to pixels:
// luma with a cubic filter, which keeps edges sharp, and chroma, which has
// fewer samples, with a linear one. Both place samples as the sender does:
// a pixel of the small frame covers the middle of its pixels.
//
//	luma   ─▶ padded line ─▶ scaled line ─▶ 4 lines blended ─┐
//	chroma ─▶ padded line ─▶ scaled line ─▶ 2 lines blended ─┴▶ BGRX row

// cubicBits is the precision of the cubic weights.
const cubicBits = 6

// cubicWeights are those of four samples in a row, for the position between the
// two in the middle in 1/256 (Catmull and Rom). The outer ones are negative;
// their magnitude is stored.
var cubicWeights = func() (weights [257][4]uint8) {
	for i := range weights {
		t := float64(i) / 256
		outer1, outer2 := t*(1-t)*(1-t)/2, t*t*(1-t)/2
		right := (t + 4*t*t - 3*t*t*t) / 2
		round := func(v float64) uint8 { return uint8(math.Round(v * (1 << cubicBits))) }
		w := [4]uint8{round(outer1), 0, round(right), round(outer2)}
		w[1] = 1<<cubicBits + w[0] + w[3] - w[2]
		weights[i] = w
	}
	return weights
}()

// lumaColumn is how a column of the target is computed from four samples of a
// padded line, from at on.
type lumaColumn struct {
	at      int32
	weights [4]uint8
}

// chromaColumn is the same for two samples. weight/256 is that of the second.
type chromaColumn struct {
	at     int32
	weight int32
}

// enlargement is how a layer is enlarged.
type enlargement struct {
	luma   []lumaColumn
	chroma []chromaColumn
	subX   int // pixels of the target per chroma sample
	from   [3]int
}

// enlarged reports whether the layer's frame is smaller than its place.
func (l *layer) enlarged() bool {
	w, h := l.rect.Dx(), l.rect.Dy()
	return l.planes != nil && w >= l.w && h >= l.h && (w > l.w || h > l.h)
}

// set prepares the columns for planes that become width pixels wide.
func (e *enlargement) set(p *mjpeg.Planes, width int) {
	subX := 0
	switch {
	case p.Cb == nil:
	case p.SubX > 1 || width >= 2*p.W:
		subX = 2
	default:
		subX = 1
	}
	from := [3]int{p.W, p.SubX, width}
	if e.from == from && e.subX == subX {
		return
	}
	e.from, e.subX = from, subX
	e.luma, e.chroma = e.luma[:0], e.chroma[:0]
	for x := range width {
		i, weight := samplePos(x, width, p.W)
		e.luma = append(e.luma, lumaColumn{int32(i), cubicWeights[weight]})
	}
	if subX == 0 {
		return
	}
	for x := range (width + subX - 1) / subX {
		i, weight := between(int64(2*x+1)*int64(subX*p.W), int64(2*width*p.SubX), chromaLen(p.W, p.SubX))
		e.chroma = append(e.chroma, chromaColumn{int32(i), int32(weight)})
	}
}

// chromaLen returns the number of chroma samples for n samples of luma.
func chromaLen(n, sub int) int { return (n + sub - 1) / sub }

// enlarger produces the rows of an enlarged layer.
type enlarger struct {
	luma        [4][]byte // scaled lines, line i at i%4 …
	lumaLine    [4]int    // … and their numbers; -1 if none
	chroma      [2][2][]byte
	chromaLine  [2]int
	padded      []byte
	y, cb, cr   []byte // a row
	destination mjpeg.Planes
}

func (e *enlarger) reset() { e.lumaLine, e.chromaLine = [4]int{-1, -1, -1, -1}, [2]int{-1, -1} }

// row writes row y of a layer, counted from its top, to dst.
func (e *enlarger) row(l *layer, y int, dst []byte) {
	width, height := l.rect.Dx(), l.rect.Dy()
	i, weight := samplePos(y, height, l.h)
	e.y = resize(e.y, width+8)
	blendCubic(e.y[:width], e.lumaAt(l, i-1), e.lumaAt(l, i), e.lumaAt(l, i+1), e.lumaAt(l, i+2), cubicWeights[weight])
	d := &e.destination
	*d = mjpeg.Planes{W: width, H: 1, Y: e.y[:width], SubX: 1, SubY: 1}
	if p := l.planes; p.Cb != nil {
		i, weight := between(int64(2*y+1)*int64(l.h), int64(2*height*p.SubY), chromaLen(l.h, p.SubY))
		a, b := e.chromaAt(l, i), e.chromaAt(l, i+1)
		n := len(a[0])
		e.cb, e.cr = resize(e.cb, n), resize(e.cr, n)
		blendLines(e.cb, a[0], b[0], uint64(weight))
		blendLines(e.cr, a[1], b[1], uint64(weight))
		d.Cb, d.Cr, d.SubX = e.cb, e.cr, l.enlargement.subX
	}
	d.PutBGRX(dst, 4*width)
}

// lumaAt returns line y of luma, scaled to the layer's width. Lines beyond the
// frame are those at its edge.
func (e *enlarger) lumaAt(l *layer, y int) []byte {
	y = min(max(y, 0), l.h-1)
	slot, width := y&3, l.rect.Dx()
	if e.lumaLine[slot] != y {
		e.lumaLine[slot] = y
		e.luma[slot] = resize(e.luma[slot], width+8)
		scaleCubic(e.luma[slot][:width], e.pad(l.planes.Y[y*l.planes.YStride:], l.w), l.enlargement.luma)
	}
	return e.luma[slot][:width]
}

// chromaAt does the same for both chroma planes.
func (e *enlarger) chromaAt(l *layer, y int) [2][]byte {
	p := l.planes
	y = min(max(y, 0), chromaLen(l.h, p.SubY)-1)
	slot, columns := y&1, l.enlargement.chroma
	if e.chromaLine[slot] != y {
		e.chromaLine[slot] = y
		for i, plane := range [...][]byte{p.Cb, p.Cr} {
			e.chroma[slot][i] = resize(e.chroma[slot][i], len(columns))
			scaleLinear(e.chroma[slot][i], e.pad(plane[y*p.CStride:], chromaLen(l.w, p.SubX)), columns)
		}
	}
	return e.chroma[slot]
}

// pad returns the n samples of a line, with the first one before them and the
// last one twice behind.
func (e *enlarger) pad(line []byte, n int) []byte {
	e.padded = resize(e.padded, n+3)
	e.padded[0] = line[0]
	copy(e.padded[1:], line[:n])
	e.padded[n+1], e.padded[n+2] = line[n-1], line[n-1]
	return e.padded
}

// scaleCubic scales a padded line.
func scaleCubic(dst, padded []byte, columns []lumaColumn) {
	dst = dst[:len(columns)]
	for x := range columns {
		c := &columns[x]
		s := (*[4]byte)(padded[c.at:])
		v := 1<<cubicBits>>1 + int32(s[1])*int32(c.weights[1]) + int32(s[2])*int32(c.weights[2]) -
			int32(s[0])*int32(c.weights[0]) - int32(s[3])*int32(c.weights[3])
		dst[x] = byte(min(max(v>>cubicBits, 0), 255))
	}
}

// scaleLinear scales a padded line.
func scaleLinear(dst, padded []byte, columns []chromaColumn) {
	dst = dst[:len(columns)]
	for x := range columns {
		c := &columns[x]
		s := (*[2]byte)(padded[c.at+1:])
		dst[x] = byte((int32(s[0])<<8 + (int32(s[1])-int32(s[0]))*c.weight + 128) >> 8)
	}
}

// blendCubic blends four lines. It computes four samples at once, in lanes of
// 16 bits that hold their sum plus 256.
func blendCubic(dst, a, b, c, d []byte, weights [4]uint8) {
	const half = 1<<cubicBits>>1 + 256<<cubicBits
	w0, w1, w2, w3 := uint64(weights[0]), uint64(weights[1]), uint64(weights[2]), uint64(weights[3])
	if w1 == 1<<cubicBits && w0|w2|w3 == 0 {
		copy(dst, b)
		return
	}
	n := len(dst)
	a, b, c, d = a[:n], b[:n], c[:n], d[:n]
	for i := 0; i+8 <= n; i += 8 {
		p, q := binary.LittleEndian.Uint64(a[i:]), binary.LittleEndian.Uint64(b[i:])
		r, s := binary.LittleEndian.Uint64(c[i:]), binary.LittleEndian.Uint64(d[i:])
		even := q&byteLanes*w1 + r&byteLanes*w2 + half*laneOnes - p&byteLanes*w0 - s&byteLanes*w3
		odd := q>>8&byteLanes*w1 + r>>8&byteLanes*w2 + half*laneOnes - p>>8&byteLanes*w0 - s>>8&byteLanes*w3
		binary.LittleEndian.PutUint64(dst[i:], clampLanes(even>>cubicBits)|clampLanes(odd>>cubicBits)<<8)
	}
	for i := n &^ 7; i < n; i++ {
		v := half + int(b[i])*int(w1) + int(c[i])*int(w2) - int(a[i])*int(w0) - int(d[i])*int(w3)
		dst[i] = byte(min(max(v>>cubicBits-256, 0), 255))
	}
}

const laneOnes = 1 | 1<<16 | 1<<32 | 1<<48

// clampLanes clamps lanes of ten bits to 256 to 511 and subtracts 256. Bit 8 is
// set in a lane in range, bit 9 in one above.
func clampLanes(v uint64) uint64 {
	fits, above := v>>8&laneOnes, v>>9&laneOnes
	return v&(fits*255) | above*255
}
