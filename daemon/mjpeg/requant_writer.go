package mjpeg

import (
	"encoding/binary"
	"slices"
)

// appendFrame appends the frame of the current tokens and tables.
func (r *Requantiser) appendFrame(b []byte) []byte {
	g := &r.geometry
	b = append(b, 0xFF, mSOI)
	b = append(b, r.header.metadata...)
	var table [3]byte
	for i := range g.n {
		table[i] = byte(i)
		if same := slices.Index(r.dstSteps[:i], r.dstSteps[i]); same >= 0 {
			table[i] = byte(same)
			continue
		}
		b = append(b, 0xFF, mDQT, 0, 2+65, byte(i))
		b = append(b, r.dstSteps[i][:]...)
	}
	b = append(b, 0xFF, mSOF0, 0, byte(8+3*g.n), 8)
	b = append(b, byte(g.height>>8), byte(g.height), byte(g.width>>8), byte(g.width), byte(g.n))
	for i, c := range g.comps[:g.n] {
		b = append(b, c.id, byte(c.h<<4|c.v), table[i])
	}
	at := len(b)
	b = append(b, 0xFF, mDHT, 0, 0)
	for i := range 2 * r.tablePairs() {
		b = r.tables[i].appendDHT(b, byte(i&1<<4|i>>1))
	}
	n := len(b) - at - 2
	b[at+2], b[at+3] = byte(n>>8), byte(n)
	b = append(b, 0xFF, mSOS, 0, byte(6+2*g.n), byte(g.n))
	for i, c := range g.comps[:g.n] {
		b = append(b, c.id, byte(quantKind(i)*0x11))
	}
	b = append(b, 0, 63, 0)
	r.setCodes()
	return r.appendData(b)
}

// headerLen returns the length of the frame without entropy-coded data, in
// bytes.
func (r *Requantiser) headerLen() int {
	n := r.geometry.n
	length := 2 + len(r.header.metadata) + (10 + 3*n) + 4 + (8 + 2*n) + 2
	for i := range n {
		if !slices.Contains(r.dstSteps[:i], r.dstSteps[i]) {
			length += 69
		}
	}
	for i := range 2 * r.tablePairs() {
		length += 17 + r.tables[i].n
	}
	return length
}

// setCodes fills r.codes with the code of each symbol of the four tables:
//
//	code << (magnitude bits) << 5 | length with magnitude bits (up to 16+11)
func (r *Requantiser) setCodes() {
	for i := range r.tables {
		codes := r.codes[i*256 : i*256+256]
		r.tables[i].eachCode(func(symbol byte, code uint32, bits int) {
			size := symbol & 15
			codes[symbol] = code<<size<<5 | uint32(bits) + uint32(size)
		})
	}
}

// appendData appends the entropy-coded data and EOI.
func (r *Requantiser) appendData(dst []byte) []byte {
	const maxPart = 512
	// Tokens of 27 bits, doubled if every byte is 0xFF.
	const room = maxPart*27/8*2 + 16
	var acc uint64
	var n uint32
	codes := (*[1024]uint32)(r.codes[:])
	for list := r.tokens.tokens; len(list) > 0; {
		if cap(dst)-len(dst) < room {
			dst = slices.Grow(dst, max(room, len(list)/2))
		}
		part := list[:min(maxPart, len(list))]
		list = list[len(part):]
		at := len(dst)
		b := dst[:cap(dst)]
		for _, token := range part {
			c := codes[token&1023]
			bits := c & 31
			acc = acc<<bits | uint64(c>>5|token>>10)
			if n += bits; n < 32 {
				continue
			}
			n -= 32
			u := uint32(acc >> (n & 63))
			if u&0x80808080&^(u+0x01010101) == 0 { // no byte is 0xFF
				binary.BigEndian.PutUint32(b[at:], u)
				at += 4
				continue
			}
			for shift := 24; shift >= 0; shift -= 8 {
				at += putByte(b[at:at+2], byte(u>>shift))
			}
		}
		dst = dst[:at]
	}
	// Pad the last byte with ones.
	pad := -n & 7
	acc, n = acc<<pad|(1<<pad-1), n+pad
	for n > 0 {
		n -= 8
		dst = append(dst, byte(acc>>n))
		if byte(acc>>n) == 0xFF {
			dst = append(dst, 0)
		}
	}
	return append(dst, 0xFF, mEOI)
}

// putByte writes c, and a zero after 0xFF. It returns the number of bytes.
func putByte(b []byte, c byte) int {
	b[0], b[1] = c, 0
	if c == 0xFF {
		return 2
	}
	return 1
}
