package mjpeg

import "encoding/binary"

// bitReader reads entropy-coded data: it takes the zeros out that are stuffed behind each 0xFF (F.1.2.3) and stops at a
// marker or at the end of b. From there on it gives zeros, and exhausted says so.
//
// The next bits are the topmost of acc. n of them count; below there may already be some of the byte at pos, which are put
// in a second time, at the same place, when that byte's turn comes.
type bitReader struct {
	b    []byte
	pos  int
	acc  uint64
	n    uint
	fake uint // how many of the bits were not in b
}

const (
	eachTop = 0x8080808080808080
	eachOne = 0x0101010101010101
)

// any0xFF says whether a byte of x is 0xFF.
func any0xFF(x uint64) bool { return x&eachTop&^(x+eachOne) != 0 }

// refill makes n at least 56.
func (r *bitReader) refill() {
	if r.pos+8 <= len(r.b) {
		if x := binary.BigEndian.Uint64(r.b[r.pos:]); !any0xFF(x) {
			r.acc |= x >> (r.n & 63)
			r.pos += int(63-r.n) >> 3
			r.n |= 56
			return
		}
	}
	r.crawl()
}

// crawl is refill byte by byte, where an 0xFF or the end is near.
func (r *bitReader) crawl() {
	for r.n <= 56 {
		var c byte
		switch {
		case r.pos >= len(r.b) || r.b[r.pos] == 0xFF && (r.pos+1 >= len(r.b) || r.b[r.pos+1] != 0):
			r.fake += 8
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

// exhausted says that more bits were taken than there are before the next marker or the end.
func (r *bitReader) exhausted() bool { return r.n < r.fake }

// restart goes to behind restart marker number i (modulo 8). What else there is before it is dropped: up to seven bits, fill
// bytes (B.1.1.2), and what some encoder thought necessary. It is false if another marker comes first, or none.
func (r *bitReader) restart(i int) bool {
	if r.exhausted() {
		return false
	}
	r.acc, r.n, r.fake = 0, 0, 0
	for ; r.pos+2 <= len(r.b); r.pos++ {
		if m := r.b[r.pos+1]; r.b[r.pos] == 0xFF && m != 0 && m != 0xFF {
			r.pos += 2
			return m == mRST0+byte(i&7)
		}
	}
	return false
}
