package mjpeg

// acDecoder decodes the AC coefficients of blocks that become samples at once. It is made of a huffDecoder.
//
// An entry of look is, from its lowest bit:
//
//	8 bits  how many bits to take, 0 if the code and its value are longer than lookBits, or there is no such code
//	8 bits  how far to go on in zigzag order; at the end of the block (EOB) atEnd
//	16 bits the value, 0 for ZRL and EOB
//
// An entry of skip is for as many codes with their values as are found in lookBits:
//
//	8 bits  how many bits to take, 0 as above
//	8 bits  how far to go on, without EOB
//	8 bits  atEnd if the last of them is EOB
type acDecoder struct {
	look, skip         [1 << lookBits]uint32
	madeLook, madeSkip uint // of which of the huffDecoder's tables
}

// atEnd is what EOB adds to the place in a block: more than a damaged block comes to without it, which is 62 + 16.
const atEnd = 128

// place is where a coefficient goes in a block, see idct8: block[at] += value * step.
type place struct {
	step int64 // of quantisation, in the lane of the coefficient; 0: it is not needed
	at   uint16
	used uint16
}

// places makes the places of a component that becomes n by n samples a block, of its steps in zigzag order. last is the last
// coefficient needed.
func places(p *[64]place, steps *[64]uint8, n int) (last uint32) {
	for k, i := range natural {
		row, column := int(i>>3), int(i&7)
		if row >= n || column >= n {
			p[k] = place{}
			continue
		}
		p[k] = place{
			step: int64(steps[k]) << (32 * (column & 1)),
			at:   uint16(4*row + column/2),
			used: uint16(usedRow<<row | usedColumn<<column),
		}
		last = uint32(k)
	}
	return last
}

// set makes look, or skip, or both, of code's table, unless they are of it already.
func (d *acDecoder) set(code *huffDecoder, look, skip bool) {
	if look && d.madeLook != code.made {
		d.madeLook = code.made
		for i, e := range code.look {
			d.look[i] = 0
			if e != 0 && (e&special == 0 || e>>16 == 0) {
				d.look[i] = code.entry(uint64(i) << (64 - lookBits))
			}
		}
	}
	if skip && d.madeSkip != code.made {
		d.madeSkip = code.made
		for i := range d.skip {
			d.skip[i] = code.chain(uint64(i) << (64 - lookBits))
		}
	}
}

// entry makes look's entry of what acc begins with, however long it is.
func (d *huffDecoder) entry(acc uint64) uint32 {
	e := d.look[acc>>(64-lookBits)]
	if e == 0 {
		if e = d.long(acc); e == 0 {
			return 0
		}
	}
	length, run, size := e&0xFF, e>>8&15, e>>16
	switch {
	case e&special == 0:
		return uint32(signed(size))<<16 | (run+1)<<8 | length
	case size != 0:
		m := magnitude(uint32(acc<<length>>(64-size)), int(size))
		return uint32(signed(m))<<16 | (run+1)<<8 | (length + size)
	case run == 15:
		return 16<<8 | length
	}
	return atEnd<<8 | length
}

// chain makes skip's entry of lookBits bits, with which acc begins.
func (d *huffDecoder) chain(acc uint64) uint32 {
	taken, far := uint32(0), uint32(0)
	for taken < lookBits {
		e := d.look[acc<<taken>>(64-lookBits)]
		length := e & 0xFF
		if e == 0 || taken+length > lookBits {
			break
		}
		taken += length
		size, run := e>>16, e>>8&15
		switch {
		case e&special == 0:
			far += run + 1
		case size != 0:
			return taken + size | (far+run+1)<<8
		case run == 15:
			far += 16
		default:
			return taken | far<<8 | atEnd<<16
		}
	}
	return taken | far<<8
}

// block decodes what follows a block's DC. It adds the coefficients up to last to block and says in which rows and columns these
// are. It is false if there is no such code, or if they run over the block's end; the reader may then be anywhere.
func (d *acDecoder) block(r *bitReader, code *huffDecoder, block *[32]int64, places *[64]place, last uint32) (used uint32, ok bool) {
	acc, n := r.acc, r.n
	k, e := uint32(0), uint32(0)
	for k < last {
		if n < 32 {
			r.acc, r.n = acc, n
			r.refill()
			acc, n = r.acc, r.n
		}
		e = d.look[acc>>(64-lookBits)]
		if e&0xFF == 0 {
			if e = code.entry(acc); e == 0 {
				return 0, false
			}
		}
		acc <<= e & 63
		n -= uint(e & 63)
		if k += e >> 8 & 0xFF; k > 63 {
			break
		}
		p := &places[k]
		block[p.at&31] += int64(int32(e)>>16) * p.step
		used |= uint32(p.used)
	}
	r.acc, r.n = acc, n
	if k < 63 {
		return used, d.pass(r, code, k)
	}
	return used, ends(k, e>>16)
}

// ends says whether a block may end at k, with a code of that value: as others do, zeros (ZRL) may run over the end.
func ends(k, value uint32) bool { return k == 63 || k >= atEnd || value == 0 }

// pass goes over the coefficients behind k. It is false as block is.
func (d *acDecoder) pass(r *bitReader, code *huffDecoder, k uint32) bool {
	acc, n := r.acc, r.n
	value := uint32(0)
	for k < 63 {
		if n < 32 {
			r.acc, r.n = acc, n
			r.refill()
			acc, n = r.acc, r.n
		}
		e := d.skip[acc>>(64-lookBits)]
		// Where the block ends without EOB, what follows is the next one's.
		if k+e>>8&0xFF >= 63 || e&0xFF == 0 {
			if e = code.entry(acc); e == 0 {
				return false
			}
			e, value = e&0xFFFF, e>>16
		}
		acc <<= e & 63
		n -= uint(e & 63)
		k += e >> 8
	}
	r.acc, r.n = acc, n
	return ends(k, value)
}
