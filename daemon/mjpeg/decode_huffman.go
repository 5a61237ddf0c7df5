package mjpeg

// lookBits is how many bits a table looks at once. With 11 a table is 8 KiB and nearly every code with its value's bits fits.
const lookBits = 11

// huffDecoder decodes one Huffman table's codes. Most codes of small values are found together with the bits behind
// them that say which value it is (F.1.2.1.1), in one look.
//
// An entry of look is, from its lowest bit:
//
//	8 bits  how many bits to take, 0 if the code is longer than lookBits or is none
//	4 bits  the run of zeros before the value
//	1 bit   special: the value is not in the entry, its bits follow the code, or there is none (EOB, ZRL)
//	3 bits  nothing
//	16 bits 2*magnitude + sign; if special: how many bits the value has
type huffDecoder struct {
	look  [1 << lookBits]uint32
	first [17]uint32 // the first code of each length
	limit [17]uint32 // one past the last code of each length
	index [17]int    // where the symbol of the first code is in raw
	raw   [16 + 256]byte
	n     int  // bytes of raw
	most  int  // the most bits a value may have
	made  uint // counts the tables it was made of
}

const special = 1 << 12

// set makes the decoder of a table as DHT carries it (B.2.4.2): sixteen counts and the symbols. Building takes some 10 µs;
// nothing is done when the table is the one of last time. Values may have up to most bits, symbols that announce more are no
// codes. It reports whether the table is possible.
func (d *huffDecoder) set(raw []byte, most int) bool {
	if string(raw) == string(d.raw[:d.n]) && most == d.most {
		return true
	}
	d.n = 0
	d.made++
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
	d.n, d.most = copy(d.raw[:], raw), most
	clear(d.look[:])
	for l := 1; l <= lookBits; l++ {
		for c := d.first[l]; c < d.limit[l]; c++ {
			d.enter(c, l, d.raw[d.index[l]+int(c-d.first[l])])
		}
	}
	return true
}

// enter fills in everything that begins with the code c of l bits.
func (d *huffDecoder) enter(c uint32, l int, symbol byte) {
	run, size := uint32(symbol>>4), int(symbol&15)
	if size > d.most {
		return
	}
	spare := lookBits - l
	part := d.look[c<<spare : (c+1)<<spare]
	for i := range part {
		switch {
		case size == 0:
			part[i] = special | run<<8 | uint32(l)
		case size > spare:
			part[i] = uint32(size)<<16 | special | run<<8 | uint32(l)
		default:
			part[i] = magnitude(uint32(i)>>(spare-size), size)<<16 | run<<8 | uint32(l+size)
		}
	}
}

// magnitude makes 2*magnitude + sign of a value's own bits, Figure F.12.
func magnitude(bits uint32, size int) uint32 {
	if bits>>(size-1) != 0 {
		return bits << 1
	}
	return (1<<size-1-bits)<<1 | 1
}

// long finds the entry, a special one, of a code longer than lookBits that acc begins with. It is 0 if there is none.
func (d *huffDecoder) long(acc uint64) uint32 {
	for l := lookBits + 1; l <= 16; l++ {
		c := uint32(acc >> (64 - l))
		if c >= d.limit[l] {
			continue
		}
		if c < d.first[l] {
			return 0
		}
		symbol := d.raw[d.index[l]+int(c-d.first[l])]
		if int(symbol&15) > d.most {
			return 0
		}
		return uint32(symbol&15)<<16 | special | uint32(symbol>>4)<<8 | uint32(l)
	}
	return 0
}

// A block is decoded to what is not zero in it: one word for each AC coefficient, in zigzag order,
//
//	magnitude<<7 | sign<<6 | place in zigzag order
//
// The magnitude is below 1024 (Table F.2).

// dc decodes the difference of a block's DC to its predecessor's, below 2048 in magnitude. It is false if there is no such
// code; the reader may then be anywhere.
func (d *huffDecoder) dc(r *bitReader) (diff int32, ok bool) {
	if r.n < 32 {
		r.refill()
	}
	e := d.look[r.acc>>(64-lookBits)]
	if e == 0 {
		if e = d.long(r.acc); e == 0 {
			return 0, false
		}
	}
	r.take(uint(e & 0xFF))
	if e&special == 0 {
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

// ac decodes the AC coefficients of a block into out and returns how many there are. It is false if there is no such code, or
// if they run over the block's end; the reader may then be anywhere.
func (d *huffDecoder) ac(r *bitReader, out *[64]uint32) (count int, ok bool) {
	acc, n := r.acc, r.n
	for k := uint32(1); k < 64; k++ {
		if n < 32 {
			r.acc, r.n = acc, n
			r.refill()
			acc, n = r.acc, r.n
		}
		e := d.look[acc>>(64-lookBits)]
		if e&special == 0 && e != 0 {
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
			if e = d.long(acc); e == 0 {
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
