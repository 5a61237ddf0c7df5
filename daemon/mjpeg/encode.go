package mjpeg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// ErrGeometry reports that a raw frame's size, stride and length do not fit
// together.
var ErrGeometry = errors.New("the raw frame's size does not fit its bytes")

// Encoder encodes raw frames as baseline JPEG with the standard Huffman tables.
// It is for one goroutine at a time.
type Encoder struct {
	quantTables [2][64]uint8 // Y; Cb and Cr
	quantisers  [2]quantiser
	workspace   [64]int32
	coefs       [64]int32
	header      []byte // cached for kind
	kind        frameKind
	edgeMCU     [16 * (16 + 8)]byte // one MCU at the right or lower edge, padded
}

// frameKind is what a header depends on.
type frameKind struct {
	width, height int
	sampling      byte // Hi<<4|Vi of Y; 0: Y only
}

// NewEncoder returns an encoder of a quality of 1 to 100 on the IJG library's
// scale. Values outside are clamped.
func NewEncoder(quality int) *Encoder {
	e := &Encoder{}
	quality = min(max(quality, 1), 100)
	for i := range e.quantTables {
		e.quantTables[i] = scaleQuant(&baseQuant[i], quality)
		e.quantisers[i] = newQuantiser(&e.quantTables[i])
	}
	return e
}

// EncodeYUYV encodes packed Y0 Cb Y1 Cr as 4:2:2 and appends the frame to dst.
// The width is even. A row takes stride bytes (0: 2*w); the last row needs no
// padding. The error is ErrGeometry.
//
// Samples are not rescaled. Cameras send BT.601 as YUYV. Those that use the
// studio range 16–235 look slightly flat, as in every program that does not
// query the driver.
func (e *Encoder) EncodeYUYV(dst, src []byte, w, h, stride int) ([]byte, error) {
	if stride == 0 {
		stride = 2 * w
	}
	if w < 2 || w > 65534 || w%2 != 0 || h < 1 || h > 65535 || !fits(src, h, stride, 2*w) {
		return dst, geometryError(src, w, h, stride)
	}
	out := e.start(dst, frameKind{w, h, 0x21})
	var dc [3]int32
	for y := 0; y < h; y += 8 {
		for x := 0; x < w; x += 16 {
			m, mstride := src[y*stride+2*x:], stride
			if x+16 > w || y+8 > h {
				e.fillEdge(m, stride, (w-x)*2, h-y)
				m, mstride = e.edgeMCU[:], 32
			}
			out.grow()
			dc[0] = e.block(&out, m, 2, mstride, 0, dc[0])
			dc[0] = e.block(&out, m[16:], 2, mstride, 0, dc[0])
			dc[1] = e.block(&out, m[1:], 4, mstride, 1, dc[1])
			dc[2] = e.block(&out, m[3:], 4, mstride, 1, dc[2])
		}
	}
	return out.end(), nil
}

// fits reports whether so many rows of row bytes fit into src. The product
// exceeds an int on 32-bit machines.
func fits(src []byte, rows, stride, row int) bool {
	return stride >= row && int64(stride)*int64(rows-1)+int64(row) <= int64(len(src))
}

func geometryError(src []byte, w, h, stride int) error {
	return fmt.Errorf("%w: %dx%d, %d bytes a row, %d bytes", ErrGeometry, w, h, stride, len(src))
}

// start appends the header to dst.
func (e *Encoder) start(dst []byte, k frameKind) bitWriter {
	if k != e.kind {
		e.header, e.kind = e.appendHeader(e.header[:0], k, 0, nil), k
	}
	return bitWriter{b: append(dst, e.header...)}
}

// fillEdge copies the available rows of row bytes into e.edgeMCU and repeats
// the last pixels to fill it.
func (e *Encoder) fillEdge(src []byte, stride, row, rows int) {
	row = min(row, 32)
	for y := range 8 {
		line := e.edgeMCU[y*32 : y*32+32]
		n := copy(line, src[min(y, rows-1)*stride:][:row])
		for ; n < 32; n += 4 {
			p := line[n-4 : n]
			copy(line[n:], []byte{p[2], p[1], p[2], p[3]})
		}
	}
}

// block encodes an 8x8 block with the tables of Y (kind 0) or of Cb and Cr
// (kind 1). It returns the block's DC, which predicts the next one.
func (e *Encoder) block(out *bitWriter, src []byte, step, stride, kind int, dc int32) int32 {
	dctRows(&e.workspace, src, step, stride)
	dctColumns(&e.workspace)
	mask := e.quantisers[kind].quantise(&e.coefs, &e.workspace)
	var now int32
	if mask&1 != 0 {
		now = e.coefs[0]
	}
	out.dc(standardCodes[2*kind], now-dc)
	out.ac(standardCodes[2*kind+1], &e.coefs, mask&^1)
	return now
}

// appendHeader appends everything before the entropy-coded data. An interval of
// 0 omits DRI.
func (e *Encoder) appendHeader(b []byte, k frameKind, interval int, comment []byte) []byte {
	w, h, grey := k.width, k.height, k.sampling == 0
	b = append(b, 0xFF, mSOI)
	b = append(b, jfifSegment...)
	if comment != nil {
		b = append(b, 0xFF, mCOM, byte((len(comment)+2)>>8), byte(len(comment)+2))
		b = append(b, comment...)
	}
	steps := e.quantTables[:]
	if grey {
		steps = steps[:1]
	}
	b = append(b, 0xFF, mDQT, 0, byte(2+65*len(steps)))
	for t := range steps {
		b = append(b, byte(t))
		at := len(b)
		b = append(b, e.quantTables[t][:]...)
		for i, s := range e.quantTables[t] {
			b[at+int(zigzag[i])] = s
		}
	}
	if grey {
		b = append(b, 0xFF, mSOF0, 0, 11, 8, byte(h>>8), byte(h), byte(w>>8), byte(w), 1, 1, 0x11, 0)
		b = append(b, greyDHT...)
		return append(b, 0xFF, mSOS, 0, 8, 1, 1, 0x00, 0, 63, 0)
	}
	b = append(b, 0xFF, mSOF0, 0, 17, 8, byte(h>>8), byte(h), byte(w>>8), byte(w))
	b = append(b, 3, 1, k.sampling, 0, 2, 0x11, 1, 3, 0x11, 1)
	b = append(b, standardDHT...)
	if interval > 0 {
		b = append(b, 0xFF, mDRI, 0, 4, byte(interval>>8), byte(interval))
	}
	return append(b, 0xFF, mSOS, 0, 12, 3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0)
}

// bitWriter appends codes to b and stuffs a zero after each 0xFF, F.1.2.3. Up
// to 31 bits stay in acc between calls.
type bitWriter struct {
	b   []byte
	acc uint64
	n   uint
}

// grow makes room for an MCU of six blocks: 64 codes of 26 bits each, doubled
// if every byte is 0xFF.
func (w *bitWriter) grow() {
	const need = 6 * 2 * 64 * 26 / 8
	if cap(w.b)-len(w.b) < need {
		w.b = slices.Grow(w.b, need)
	}
}

func (w *bitWriter) put(code uint32, n uint) {
	w.acc = w.acc<<n | uint64(code)
	w.n += n
	if w.n < 32 {
		return
	}
	w.n -= 32
	u := uint32(w.acc >> w.n)
	if u&0x80808080&^(u+0x01010101) == 0 { // no byte is 0xFF
		w.b = binary.BigEndian.AppendUint32(w.b, u)
		return
	}
	for shift := 24; shift >= 0; shift -= 8 {
		w.putStuffed(byte(u >> shift))
	}
}

func (w *bitWriter) putStuffed(c byte) {
	w.b = append(w.b, c)
	if c == 0xFF {
		w.b = append(w.b, 0)
	}
}

// flush ends the entropy-coded segment. It pads the last byte with ones.
func (w *bitWriter) flush() {
	if pad := -w.n & 7; pad > 0 {
		w.acc, w.n = w.acc<<pad|(1<<pad-1), w.n+pad
	}
	for w.n > 0 {
		w.n -= 8
		w.putStuffed(byte(w.acc >> w.n))
	}
}

// end writes EOI and returns the frame.
func (w *bitWriter) end() []byte {
	w.grow()
	w.flush()
	return append(w.b, 0xFF, mEOI)
}

// magnitudeBits returns the bits that follow a value's code, F.1.2.1.1.
func magnitudeBits(v int32) (low uint32, n uint) {
	sign := v >> 31
	n = uint(bits.Len32(uint32((v ^ sign) - sign)))
	return uint32(v+sign) & (1<<n - 1), n
}

func (w *bitWriter) dc(codes *huffCodes, diff int32) {
	low, n := magnitudeBits(diff)
	c := codes[n]
	w.put(c>>8<<n|low, uint(c&0xFF)+n)
}

func (w *bitWriter) ac(codes *huffCodes, coef *[64]int32, mask uint64) {
	last := 0
	for ; mask != 0; mask &= mask - 1 {
		k := bits.TrailingZeros64(mask)
		run := k - last - 1
		last = k
		for ; run > 15; run -= 16 {
			c := codes[0xF0]
			w.put(c>>8, uint(c&0xFF))
		}
		low, n := magnitudeBits(coef[k&63])
		c := codes[(uint(run)<<4|n)&0xFF]
		w.put(c>>8<<n|low, uint(c&0xFF)+n)
	}
	if last < 63 {
		c := codes[0x00]
		w.put(c>>8, uint(c&0xFF))
	}
}
