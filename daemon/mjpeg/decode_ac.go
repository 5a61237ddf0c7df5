package mjpeg

// acDecoder decodes the AC coefficients of blocks straight into the IDCT's
// input. It is built from a huffDecoder.
//
// An entry of look, from its lowest bit:
//
//	8 bits  bits to take; 0: code and value exceed lookBits, or no such code
//	8 bits  coefficients to advance in zigzag order; endOfBlock for EOB
//	16 bits value; 0 for ZRL and EOB
//
// An entry of skip covers all codes with values that fit in lookBits:
//
//	8 bits  bits to take; 0: as above
//	8 bits  coefficients to advance, without EOB
//	8 bits  endOfBlock if the last code is EOB
type acDecoder struct {
	look, skip               [1 << lookBits]uint32
	lookVersion, skipVersion uint // the huffDecoder's versions
}

// endOfBlock is what EOB adds to the position in a block. A damaged block
// without EOB gets to 62+16 at most.
const endOfBlock = 128

// coefSlot is the position of a coefficient in idct8's input: block[at] +=
// value * step.
type coefSlot struct {
	step int64 // quantisation step, in the coefficient's lane; 0: not used at this size
	at   uint16
	used uint16
}

// setSlots fills slots for a component that becomes n by n samples a block.
// steps are in zigzag order. It returns the last coefficient used.
func setSlots(slots *[64]coefSlot, steps *[64]uint16, n int) (last uint32) {
	for k, i := range naturalOrder {
		row, column := int(i>>3), int(i&7)
		if row >= n || column >= n {
			slots[k] = coefSlot{}
			continue
		}
		slots[k] = coefSlot{
			step: int64(steps[k]) << (32 * (column & 1)),
			at:   uint16(4*row + column/2),
			used: uint16(usedRow<<row | usedColumn<<column),
		}
		last = uint32(k)
	}
	return last
}

// set builds look, skip, or both from code, unless they are up to date.
func (d *acDecoder) set(code *huffDecoder, look, skip bool) {
	if look && d.lookVersion != code.version {
		d.lookVersion = code.version
		for i, e := range code.look {
			d.look[i] = 0
			if e != 0 && (e&specialEntry == 0 || e>>16 == 0) {
				d.look[i] = code.lookEntry(uint64(i) << (64 - lookBits))
			}
		}
	}
	if skip && d.skipVersion != code.version {
		d.skipVersion = code.version
		for i := range d.skip {
			d.skip[i] = code.skipEntry(uint64(i) << (64 - lookBits))
		}
	}
}

// lookEntry returns look's entry for the code and value at the top of acc, of
// any length.
func (d *huffDecoder) lookEntry(acc uint64) uint32 {
	e := d.look[acc>>(64-lookBits)]
	if e == 0 {
		if e = d.longCode(acc); e == 0 {
			return 0
		}
	}
	length, run, size := e&0xFF, e>>8&15, e>>16
	switch {
	case e&specialEntry == 0:
		return uint32(signed(size))<<16 | (run+1)<<8 | length
	case size != 0:
		m := magnitude(uint32(acc<<length>>(64-size)), int(size))
		return uint32(signed(m))<<16 | (run+1)<<8 | (length + size)
	case run == 15:
		return 16<<8 | length
	}
	return endOfBlock<<8 | length
}

// skipEntry returns skip's entry for the top lookBits of acc.
func (d *huffDecoder) skipEntry(acc uint64) uint32 {
	taken, advance := uint32(0), uint32(0)
	for taken < lookBits {
		e := d.look[acc<<taken>>(64-lookBits)]
		length := e & 0xFF
		if e == 0 || taken+length > lookBits {
			break
		}
		taken += length
		size, run := e>>16, e>>8&15
		switch {
		case e&specialEntry == 0:
			advance += run + 1
		case size != 0:
			return taken + size | (advance+run+1)<<8
		case run == 15:
			advance += 16
		default:
			return taken | advance<<8 | endOfBlock<<16
		}
	}
	return taken | advance<<8
}

// block decodes the AC coefficients of a block. It adds those up to last to
// block and returns their rows and columns. It fails on an invalid code and on
// coefficients beyond the end of the block; the reader's position is then
// undefined.
func (d *acDecoder) block(
	r *bitReader, code *huffDecoder, block *[32]int64, slots *[64]coefSlot, last uint32,
) (used uint32, ok bool) {
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
			if e = code.lookEntry(acc); e == 0 {
				return 0, false
			}
		}
		acc <<= e & 63
		n -= uint(e & 63)
		if k += e >> 8 & 0xFF; k > 63 {
			break
		}
		p := &slots[k]
		block[p.at&31] += int64(int32(e)>>16) * p.step
		used |= uint32(p.used)
	}
	r.acc, r.n = acc, n
	if k < 63 {
		return used, d.skipRest(r, code, k)
	}
	return used, validEnd(k, e>>16)
}

// validEnd reports whether a block may end at k with this value. Trailing zeros
// (ZRL) may exceed the block, as in other decoders.
func validEnd(k, value uint32) bool { return k == 63 || k >= endOfBlock || value == 0 }

// skipRest skips the coefficients after k. It fails as block does.
func (d *acDecoder) skipRest(r *bitReader, code *huffDecoder, k uint32) bool {
	acc, n := r.acc, r.n
	value := uint32(0)
	for k < 63 {
		if n < 32 {
			r.acc, r.n = acc, n
			r.refill()
			acc, n = r.acc, r.n
		}
		e := d.skip[acc>>(64-lookBits)]
		// Near the end of the block the entry may include codes of the next
		// one.
		if k+e>>8&0xFF >= 63 || e&0xFF == 0 {
			if e = code.lookEntry(acc); e == 0 {
				return false
			}
			e, value = e&0xFFFF, e>>16
		}
		acc <<= e & 63
		n -= uint(e & 63)
		k += e >> 8
	}
	r.acc, r.n = acc, n
	return validEnd(k, value)
}
