package mjpeg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// ErrGeometry says that a raw frame's size, stride and length do not fit together.
var ErrGeometry = errors.New("the raw frame's size does not fit its bytes")

// Encoder makes baseline JPEG frames with the standard Huffman tables. It is for one goroutine at a time.
type Encoder struct {
	steps  [2][64]uint8 // of Y, and of Cb and Cr
	quant  [2]quantiser
	ws     [64]int32
	coef   [64]int32
	header []byte // of the last kind of frame
	kind   kind
	edge   [16 * (16 + 8)]byte // one MCU of a frame's right or lower edge, filled up
}

// kind is what a header depends on.
type kind struct {
	width, height int
	sampling      byte // Hi<<4|Vi of Y; 0: there is nothing but Y
}

// NewEncoder makes an encoder with a quality of 1 to 100 on the scale of the IJG library; what is outside is clamped.
func NewEncoder(quality int) *Encoder {
	e := &Encoder{}
	quality = min(max(quality, 1), 100)
	for i := range e.steps {
		e.steps[i] = scaleQuant(&baseQuant[i], quality)
		e.quant[i] = newQuantiser(&e.steps[i])
	}
	return e
}

// EncodeYUYV appends a JPEG 4:2:2 frame made of packed Y0 Cb Y1 Cr to dst. The width is even, a row takes stride bytes
// (0: 2*w), the last row need not be padded. The error is ErrGeometry.
//
// The values are taken as they are: what cameras send as YUYV is BT.601; those that use the studio range 16–235 look
// slightly flat, as they do in any program that does not ask the driver.
func (e *Encoder) EncodeYUYV(dst, src []byte, w, h, stride int) ([]byte, error) {
	if stride == 0 {
		stride = 2 * w
	}
	if w < 2 || w > 65534 || w%2 != 0 || h < 1 || h > 65535 || !holds(src, h, stride, 2*w) {
		return dst, misfit(src, w, h, stride)
	}
	out := e.begin(dst, kind{w, h, 0x21})
	var dc [3]int32
	for y := 0; y < h; y += 8 {
		for x := 0; x < w; x += 16 {
			m, mstride := src[y*stride+2*x:], stride
			if x+16 > w || y+8 > h {
				e.fillEdge(m, stride, (w-x)*2, h-y)
				m, mstride = e.edge[:], 32
			}
			out.room()
			dc[0] = e.block(&out, m, 2, mstride, 0, dc[0])
			dc[0] = e.block(&out, m[16:], 2, mstride, 0, dc[0])
			dc[1] = e.block(&out, m[1:], 4, mstride, 1, dc[1])
			dc[2] = e.block(&out, m[3:], 4, mstride, 1, dc[2])
		}
	}
	return out.end(), nil
}

// holds says whether so many rows of row bytes fit into src. In 64 bits: the product is more than an int holds on 32-bit machines.
func holds(src []byte, rows, stride, row int) bool {
	return stride >= row && int64(stride)*int64(rows-1)+int64(row) <= int64(len(src))
}

func misfit(src []byte, w, h, stride int) error {
	return fmt.Errorf("%w: %dx%d, %d bytes a row, %d bytes", ErrGeometry, w, h, stride, len(src))
}

// begin appends the header to dst.
func (e *Encoder) begin(dst []byte, k kind) bitWriter {
	if k != e.kind {
		e.header, e.kind = e.appendHeader(e.header[:0], k, 0, nil), k
	}
	return bitWriter{b: append(dst, e.header...)}
}

// fillEdge copies the row bytes by rows rows that there are into e.edge and repeats the last pixels to fill it.
func (e *Encoder) fillEdge(src []byte, stride, row, rows int) {
	row = min(row, 32)
	for y := range 8 {
		line := e.edge[y*32 : y*32+32]
		n := copy(line, src[min(y, rows-1)*stride:][:row])
		for ; n < 32; n += 4 {
			p := line[n-4 : n]
			copy(line[n:], []byte{p[2], p[1], p[2], p[3]})
		}
	}
}

// block writes one 8x8 block, of component kind 0 (Y) or 1 (Cb, Cr), and returns its DC for the next one's prediction.
func (e *Encoder) block(out *bitWriter, src []byte, step, stride, kind int, dc int32) int32 {
	rows(&e.ws, src, step, stride)
	columns(&e.ws)
	mask := e.quant[kind].quantise(&e.coef, &e.ws)
	var now int32
	if mask&1 != 0 {
		now = e.coef[0]
	}
	out.dc(standardCodes[2*kind], now-dc)
	out.ac(standardCodes[2*kind+1], &e.coef, mask&^1)
	return now
}

// appendHeader appends everything up to the first entropy-coded byte. interval is DRI's or 0.
func (e *Encoder) appendHeader(b []byte, k kind, interval int, comment []byte) []byte {
	w, h, grey := k.width, k.height, k.sampling == 0
	b = append(b, 0xFF, mSOI)
	// JFIF 1.01, without density: full-range BT.601, as decoders then assume.
	b = append(b, 0xFF, mAPP0, 0, 16, 'J', 'F', 'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0)
	if comment != nil {
		b = append(b, 0xFF, mCOM, byte((len(comment)+2)>>8), byte(len(comment)+2))
		b = append(b, comment...)
	}
	steps := e.steps[:]
	if grey {
		steps = steps[:1]
	}
	b = append(b, 0xFF, mDQT, 0, byte(2+65*len(steps)))
	for t := range steps {
		b = append(b, byte(t))
		at := len(b)
		b = append(b, e.steps[t][:]...)
		for i, s := range e.steps[t] {
			b[at+int(zigzag[i])] = s
		}
	}
	if grey {
		b = append(b, 0xFF, mSOF0, 0, 11, 8, byte(h>>8), byte(h), byte(w>>8), byte(w), 1, 1, 0x11, 0)
		b = append(b, greyDHT...)
		return append(b, 0xFF, mSOS, 0, 8, 1, 1, 0x00, 0, 63, 0)
	}
	b = append(b, 0xFF, mSOF0, 0, 17, 8, byte(h>>8), byte(h), byte(w>>8), byte(w), 3, 1, k.sampling, 0, 2, 0x11, 1, 3, 0x11, 1)
	b = append(b, standardDHT...)
	if interval > 0 {
		b = append(b, 0xFF, mDRI, 0, 4, byte(interval>>8), byte(interval))
	}
	return append(b, 0xFF, mSOS, 0, 12, 3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0)
}

// bitWriter packs codes behind b and stuffs a zero behind each 0xFF, F.1.2.3. At most 31 bits wait between calls.
type bitWriter struct {
	b   []byte
	acc uint64
	n   uint
}

// room makes place for one MCU of up to six blocks: 64 codes of 26 bits each, twice that when every byte is 0xFF.
func (w *bitWriter) room() {
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
		w.byte(byte(u >> shift))
	}
}

func (w *bitWriter) byte(c byte) {
	w.b = append(w.b, c)
	if c == 0xFF {
		w.b = append(w.b, 0)
	}
}

// flush ends the entropy-coded segment: the last byte is filled up with ones.
func (w *bitWriter) flush() {
	if pad := -w.n & 7; pad > 0 {
		w.acc, w.n = w.acc<<pad|(1<<pad-1), w.n+pad
	}
	for w.n > 0 {
		w.n -= 8
		w.byte(byte(w.acc >> w.n))
	}
}

// end writes EOI and returns all that was written.
func (w *bitWriter) end() []byte {
	w.room()
	w.flush()
	return append(w.b, 0xFF, mEOI)
}

// value is how a coefficient's or a difference's own bits are written behind its code, F.1.2.1.1.
func value(v int32) (low uint32, n uint) {
	sign := v >> 31
	n = uint(bits.Len32(uint32((v ^ sign) - sign)))
	return uint32(v+sign) & (1<<n - 1), n
}

func (w *bitWriter) dc(codes *huffCodes, diff int32) {
	low, n := value(diff)
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
		low, n := value(coef[k&63])
		c := codes[(uint(run)<<4|n)&0xFF]
		w.put(c>>8<<n|low, uint(c&0xFF)+n)
	}
	if last < 63 {
		c := codes[0x00]
		w.put(c>>8, uint(c&0xFF))
	}
}
