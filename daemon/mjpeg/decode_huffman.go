package mjpeg

// lookBits is the number of bits per table lookup. With 11 a table is 8 KiB,
// and nearly every code fits together with its value.
const lookBits = 11

// huffDecoder decodes the codes of one Huffman table. One lookup finds most
// codes of small values together with their magnitude bits (F.1.2.1.1).
//
// An entry of look, from its lowest bit:
//
//	8 bits  bits to take; 0: code longer than lookBits, or no such code
//	4 bits  run of zeros before the value
//	1 bit   specialEntry: magnitude bits follow, or no value (EOB, ZRL)
//	3 bits  unused
//	16 bits 2*magnitude + sign; if special: number of magnitude bits
type huffDecoder struct {
	look    [1 << lookBits]uint32
	first   [17]uint32 // the first code of each length
	limit   [17]uint32 // one past the last code of each length
	index   [17]int    // offset in raw of the first code's symbol
	raw     [16 + 256]byte
	n       int  // bytes of raw
	maxBits int  // most magnitude bits of a value
	version uint // counts calls of set that changed the table
}

const specialEntry = 1 << 12

// set builds the decoder of a table as in DHT (B.2.4.2): sixteen counts and the
// symbols. That takes about 10 µs, so an unchanged table is not rebuilt.
// Symbols with more than maxBits magnitude bits are invalid codes. set reports
// whether the table is valid.
func (d *huffDecoder) set(raw []byte, maxBits int) bool {
	if string(raw) == string(d.raw[:d.n]) && maxBits == d.maxBits {
		return true
	}
	d.n = 0
	d.version++
	code, k := uint32(0), 16
	for l := 1; l <= 16; l++ {
		d.first[l], d.index[l] = code, k
		code += uint32(raw[l-1])
		k += int(raw[l-1])
		if code > 1<<l || k > len(raw) {
			return false
		}
		d.limit[l] = code
		code <<= 1
	}
	if k != len(raw) {
		return false
	}
	d.n, d.maxBits = copy(d.raw[:], raw), maxBits
	clear(d.look[:])
	for l := 1; l <= lookBits; l++ {
		for c := d.first[l]; c < d.limit[l]; c++ {
			d.addCode(c, l, d.raw[d.index[l]+int(c-d.first[l])])
		}
	}
	return true
}

// addCode fills in all entries that begin with the code c of l bits.
func (d *huffDecoder) addCode(c uint32, l int, symbol byte) {
	run, size := uint32(symbol>>4), int(symbol&15)
	if size > d.maxBits {
		return
	}
	spare := lookBits - l
	part := d.look[c<<spare : (c+1)<<spare]
	for i := range part {
		switch {
		case size == 0:
			part[i] = specialEntry | run<<8 | uint32(l)
		case size > spare:
			part[i] = uint32(size)<<16 | specialEntry | run<<8 | uint32(l)
		default:
			part[i] = magnitude(uint32(i)>>(spare-size), size)<<16 | run<<8 | uint32(l+size)
		}
	}
}

// magnitude converts magnitude bits to 2*magnitude + sign, Figure F.12.
func magnitude(bits uint32, size int) uint32 {
	if bits>>(size-1) != 0 {
		return bits << 1
	}
	return (1<<size-1-bits)<<1 | 1
}

// longCode returns the special entry of the code at the top of acc, longer than
// lookBits, or 0.
func (d *huffDecoder) longCode(acc uint64) uint32 {
	for l := lookBits + 1; l <= 16; l++ {
		c := uint32(acc >> (64 - l))
		if c >= d.limit[l] {
			continue
		}
		if c < d.first[l] {
			return 0
		}
		symbol := d.raw[d.index[l]+int(c-d.first[l])]
		if int(symbol&15) > d.maxBits {
			return 0
		}
		return uint32(symbol&15)<<16 | specialEntry | uint32(symbol>>4)<<8 | uint32(l)
	}
	return 0
}

// A block's nonzero AC coefficients are one word each, in zigzag order:
//
//	magnitude<<7 | sign<<6 | zigzag index
//
// The magnitude is below 1024 (Table F.2).

// dc decodes the difference of a block's DC to the previous one's, below 2048
// in magnitude. It fails on an invalid code; the reader's position is then
// undefined.
func (d *huffDecoder) dc(r *bitReader) (diff int32, ok bool) {
	if r.n < 32 {
		r.refill()
	}
	e := d.look[r.acc>>(64-lookBits)]
	if e == 0 {
		if e = d.longCode(r.acc); e == 0 {
			return 0, false
		}
	}
	r.take(uint(e & 0xFF))
	if e&specialEntry == 0 {
		return signed(e >> 16), true
	}
	size := uint(e >> 16)
	if size == 0 {
		return 0, true
	}
	m := magnitude(uint32(r.acc>>(64-size)), int(size))
	r.take(size)
	return signed(m), true
}

func signed(m uint32) int32 {
	v := int32(m >> 1)
	s := -int32(m & 1)
	return (v ^ s) - s
}

func (r *bitReader) take(n uint) {
	r.acc <<= n & 63
	r.n -= n
}

// ac decodes the AC coefficients of a block into out and returns their number.
// It fails on an invalid code and on coefficients beyond the end of the block;
// the reader's position is then undefined.
func (d *huffDecoder) ac(r *bitReader, out *[64]uint32) (count int, ok bool) {
	acc, n := r.acc, r.n
	for k := uint32(1); k < 64; k++ {
		if n < 32 {
			r.acc, r.n = acc, n
			r.refill()
			acc, n = r.acc, r.n
		}
		e := d.look[acc>>(64-lookBits)]
		if e&specialEntry == 0 && e != 0 {
			acc <<= e & 63
			n -= uint(e & 0xFF)
			if k += e >> 8 & 15; k > 63 {
				return 0, false
			}
			out[count&63] = e>>16<<6 | k
			count++
			continue
		}
		if e == 0 {
			if e = d.longCode(acc); e == 0 {
				return 0, false
			}
		}
		acc <<= e & 63
		n -= uint(e & 0xFF)
		size := e >> 16
		if size == 0 {
			if e>>8&15 != 15 {
				break // EOB
			}
			k += 15
			continue
		}
		if k += e >> 8 & 15; k > 63 {
			return 0, false
		}
		out[count&63] = magnitude(uint32(acc>>(64-size)), int(size))<<6 | k
		count++
		acc <<= size & 63
		n -= uint(size)
	}
	r.acc, r.n = acc, n
	return count, true
}
