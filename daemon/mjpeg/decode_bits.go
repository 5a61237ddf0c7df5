package mjpeg

import "encoding/binary"

// bitReader reads entropy-coded data. It removes the zero after each 0xFF
// (F.1.2.3) and stops at a marker or at the end of b. After that it returns
// zero bits, and exhausted reports it.
//
// The next bits are the topmost n of acc. Bits below them may already hold a
// part of the byte at pos. A later refill writes the same bits again.
type bitReader struct {
	b       []byte
	pos     int
	acc     uint64
	n       uint
	padBits uint // zero bits appended after the data
}

const (
	topBits = 0x8080808080808080
	lowBits = 0x0101010101010101
)

// has0xFF reports whether a byte of x is 0xFF.
func has0xFF(x uint64) bool { return x&topBits&^(x+lowBits) != 0 }

// refill raises n to at least 56.
func (r *bitReader) refill() {
	if r.pos+8 <= len(r.b) {
		if x := binary.BigEndian.Uint64(r.b[r.pos:]); !has0xFF(x) {
			r.acc |= x >> (r.n & 63)
			r.pos += int(63-r.n) >> 3
			r.n |= 56
			return
		}
	}
	r.refillBytes()
}

// refillBytes is refill near 0xFF or the end, byte by byte.
func (r *bitReader) refillBytes() {
	for r.n <= 56 {
		var c byte
		switch {
		case r.pos >= len(r.b) || r.b[r.pos] == 0xFF && (r.pos+1 >= len(r.b) || r.b[r.pos+1] != 0):
			r.padBits += 8
		case r.b[r.pos] == 0xFF:
			c = 0xFF
			r.pos += 2
		default:
			c = r.b[r.pos]
			r.pos++
		}
		r.acc |= uint64(c) << ((56 - r.n) & 63)
		r.n += 8
	}
}

// exhausted reports whether more bits were read than the data had.
func (r *bitReader) exhausted() bool { return r.n < r.padBits }

// restart moves past restart marker i (modulo 8). It skips bytes before the
// marker: padding, fill bytes (B.1.1.2) and surplus data. It fails if another
// marker comes first, or none.
func (r *bitReader) restart(i int) bool {
	if r.exhausted() {
		return false
	}
	r.acc, r.n, r.padBits = 0, 0, 0
	for ; r.pos+2 <= len(r.b); r.pos++ {
		if m := r.b[r.pos+1]; r.b[r.pos] == 0xFF && m != 0 && m != 0xFF {
			r.pos += 2
			return m == mRST0+byte(i&7)
		}
	}
	return false
}
