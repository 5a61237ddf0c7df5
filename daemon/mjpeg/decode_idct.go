package mjpeg

import "math"

// The inverse DCT of Loeffler, Ligtenberg and Moschytz, bit-exact with
// libjpeg's slow integer version: factors of 13 bits, two extra bits between
// columns and rows, one rounding each.
//
// A word holds two lanes, low + high<<32, both signed. Sums and products with a
// constant are correct in both lanes if each result fits in 32 bits, whatever
// overflows on the way. All valid frames fit. A damaged frame gives a wrong
// block.
const (
	factorBits = 13
	passBits   = 2
	bothLanes  = 1<<32 + 1

	columnShift = factorBits - passBits
	rowShift    = factorBits + passBits + 3 // the transform is too large by 8, A.3.3
	columnRound = (1 << columnShift >> 1) * bothLanes
	// 128 is the level shift. 1<<31 prevents a borrow from the high lane.
	rowRound = (1<<rowShift>>1+128<<rowShift)*bothLanes + 1<<31
)

// Products of sines and cosines of multiples of pi/16, times 2^13. They are
// rounded where libjpeg rounds them, so sums of them can be off by one.
const (
	c2m6 = 6270  // √2 (cos 2 - cos 6), in sixteenths of pi
	c2p6 = 15137 // √2 (cos 2 + cos 6)
	c6   = 4433  // √2 cos 6
	c3   = 9633  // √2 cos 3
	c3p5 = 16069 // √2 (cos 3 + cos 5)
	c3m5 = 3196  // √2 (cos 3 - cos 5)
	c3m7 = 7373  // √2 (cos 3 - cos 7)
	c1p3 = 20995 // √2 (cos 1 + cos 3)
	p1   = 12299 // √2 ( cos 1 + cos 3 - cos 5 - cos 7)
	p3   = 25172 // √2 ( cos 1 + cos 3 + cos 5 - cos 7)
	p5   = 16819 // √2 ( cos 1 + cos 3 - cos 5 + cos 7)
	p7   = 2446  // √2 (-cos 1 + cos 3 + cos 5 - cos 7)
)

// line8 transforms eight frequencies to eight samples times 2^13.
func line8(a0, a1, a2, a3, a4, a5, a6, a7, round int64) (o0, o1, o2, o3, o4, o5, o6, o7 int64) {
	e := (a2 + a6) * c6
	e2, e3 := e-a6*c2p6, e+a2*c2m6
	e0, e1 := (a0+a4)<<factorBits+round, (a0-a4)<<factorBits+round
	e0, e3 = e0+e3, e0-e3
	e1, e2 = e1+e2, e1-e2

	z := (a1 + a3 + a5 + a7) * c3
	z3, z5 := z-(a3+a7)*c3p5, z-(a1+a5)*c3m5
	z1, z7 := (a1+a7)*c3m7, (a3+a5)*c1p3
	q0 := a1*p1 - z1 + z5
	q1 := a3*p3 - z7 + z3
	q2 := a5*p5 - z7 + z5
	q3 := a7*p7 - z1 + z3
	return e0 + q0, e1 + q1, e2 + q2, e3 + q3, e3 - q3, e2 - q2, e1 - q1, e0 - q0
}

// line4 is line8 with a4 to a7 zero.
func line4(a0, a1, a2, a3, round int64) (o0, o1, o2, o3, o4, o5, o6, o7 int64) {
	e := a0<<factorBits + round
	e2, e3 := a2*c6, a2*(c6+c2m6)
	e0, e3 := e+e3, e-e3
	e1, e2 := e+e2, e-e2

	q0 := a1*(p1-c3m7+c3-c3m5) + a3*c3
	q1 := a1*c3 + a3*(p3-c1p3-c3p5+c3)
	q2 := a1*(c3-c3m5) + a3*(c3-c1p3)
	q3 := a1*(c3-c3m7) + a3*(c3-c3p5)
	return e0 + q0, e1 + q1, e2 + q2, e3 + q3, e3 - q3, e2 - q2, e1 - q1, e0 - q0
}

// A block's coefficients are in natural order, two columns to a word: word
// 4*row + column/2, the even column in the low lane. used has a bit for each
// row and column with a nonzero coefficient.
const (
	usedRow    = 1 << 8 // row 0
	usedColumn = 1      // column 0

	usedLowRows     = 0xF0 * usedRow
	usedRightHalf   = 0xF0 * usedColumn
	usedRowsBelow   = 0xFE * usedRow
	usedColumnsPair = 3 * usedColumn
)

// idct8 writes 8x8 samples to dst, in rows of stride bytes.
func idct8(dst []byte, stride int, block *[32]int64, used uint32) {
	// ws has two rows to a word: word 8*(row/2) + column, the even row in the
	// low lane.
	var ws [32]int64
	for p := range 4 {
		in, out := block[p:p+29], ws[2*p:2*p+26]
		switch pair := used >> (2 * p); {
		case pair&usedColumnsPair == 0:
			continue
		case used&usedRowsBelow == 0:
			low := int64(int32(in[0]))
			high := (in[0] - low) >> 32
			low, high = low*bothLanes<<passBits, high*bothLanes<<passBits
			out[0], out[8], out[16], out[24] = low, low, low, low
			out[1], out[9], out[17], out[25] = high, high, high, high
		case used&usedLowRows == 0:
			o0, o1, o2, o3, o4, o5, o6, o7 := line4(in[0], in[4], in[8], in[12], columnRound)
			out[0], out[1] = transposePair(o0, o1)
			out[8], out[9] = transposePair(o2, o3)
			out[16], out[17] = transposePair(o4, o5)
			out[24], out[25] = transposePair(o6, o7)
		default:
			o0, o1, o2, o3, o4, o5, o6, o7 := line8(
				in[0], in[4], in[8], in[12], in[16], in[20], in[24], in[28], columnRound)
			out[0], out[1] = transposePair(o0, o1)
			out[8], out[9] = transposePair(o2, o3)
			out[16], out[17] = transposePair(o4, o5)
			out[24], out[25] = transposePair(o6, o7)
		}
	}
	right := used&usedRightHalf != 0
	for i := 0; i < 32; i += 8 {
		in := ws[i : i+8 : i+8]
		var o0, o1, o2, o3, o4, o5, o6, o7 int64
		if right {
			o0, o1, o2, o3, o4, o5, o6, o7 = line8(in[0], in[1], in[2], in[3], in[4], in[5], in[6], in[7], rowRound)
		} else {
			o0, o1, o2, o3, o4, o5, o6, o7 = line4(in[0], in[1], in[2], in[3], rowRound)
		}
		even, odd := (*[8]byte)(dst), (*[8]byte)(dst[stride:])
		even[0], odd[0] = clampPair(o0)
		even[1], odd[1] = clampPair(o1)
		even[2], odd[2] = clampPair(o2)
		even[3], odd[3] = clampPair(o3)
		even[4], odd[4] = clampPair(o4)
		even[5], odd[5] = clampPair(o5)
		even[6], odd[6] = clampPair(o6)
		even[7], odd[7] = clampPair(o7)
		if i < 24 {
			dst = dst[2*stride:]
		}
	}
}

// transposePair converts two words of two columns each to two words of two rows
// each.
func transposePair(upper, lower int64) (left, right int64) {
	l, m := int64(int32(upper)), int64(int32(lower))
	left = l>>columnShift + m>>columnShift<<32
	right = (upper-l)>>(32+columnShift) + (lower-m)>>(32+columnShift)<<32
	return left, right
}

// clampPair rounds and clamps both lanes of a row's output.
func clampPair(v int64) (low, high byte) {
	return clampTable[uint32(v)>>rowShift&(clampTableLen-1)], clampTable[v>>(32+rowShift)&(clampTableLen-1)]
}

// clampTable maps -2048 to 2047, modulo 4096, to a sample's range. Quantisation
// alone does not exceed that.
var clampTable = func() (c [clampTableLen]byte) {
	for i := range c {
		v := i
		if i >= clampTableLen/2 {
			v -= clampTableLen
		}
		c[i] = byte(min(max(v, 0), math.MaxUint8))
	}
	return c
}()

const clampTableLen = 4096

// fillBlock writes n by n samples of the dequantised DC dc.
func fillBlock(dst []byte, stride, n int, dc int32) {
	v := clampTable[((dc+4)>>3+128)&(clampTableLen-1)]
	switch n {
	case 8:
		row := [8]byte{v, v, v, v, v, v, v, v}
		for y := range 8 {
			*(*[8]byte)(dst[y*stride:]) = row
		}
	default:
		for y := range n {
			for x := range n {
				dst[y*stride+x] = v
			}
		}
	}
}
