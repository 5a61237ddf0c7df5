package mjpeg

import "encoding/binary"

// Four pixels are converted at once. Each colour of the four is a 64-bit word
// of four 16-bit lanes. A lane holds its value plus 256, so 256 to 511 needs no
// clamping and all values are 0 to 767.
//
// The lanes hold the pixels 0, 2, 1 and 3. That order takes the fewest shifts
// from four bytes, and to a display's pixels.
const (
	laneOnes = 1 | 1<<16 | 1<<32 | 1<<48
	laneBias = 256 * laneOnes
	laneEven = 0xFFFF | 0xFFFF<<32
)

// lanes spreads four samples over lanes, the first in the lowest byte.
func lanes(four uint32) uint64 { return (uint64(four) | uint64(four)<<24) & (255 * laneOnes) }

// lanesInOrder does the same in the order 0, 1, 2, 3.
func lanesInOrder(four uint32) uint64 {
	v := (uint64(four) | uint64(four)<<16) & laneEven
	return (v | v<<8) & (255 * laneOnes)
}

// clampLanes clamps each lane to 0 to 255 and removes the bias. Bit 8 is set in
// a lane in range, bit 9 in one above.
func clampLanes(v uint64) uint64 {
	fits, above := v>>8&laneOnes, v>>9&laneOnes
	return v&(fits*255) | above*255
}

// chroma returns what to add to luma for blue, green and red, in biased lanes
// of the order of cb and cr. JFIF defines
//
//	B = Y + 1.772 (Cb-128)
//	G = Y - 0.344136 (Cb-128) - 0.714136 (Cr-128)
//	R = Y + 1.402 (Cr-128)
//
// Factors have eight bits, so products are positive and below 65536. Results
// are within 1 of the exact sum. Neutral chroma gives exact grey.
func chroma(cb, cr uint64) (blue, green, red uint64) {
	const low = 255 * laneOnes
	blue = cb + (cb*198+175*laneOnes)>>8&low + 29*laneOnes
	green = ((cb^low)*88+cr*73+78*laneOnes)>>8&low + 304*laneOnes - cr
	red = cr + (cr*103+11*laneOnes)>>8&low + 77*laneOnes
	return blue, green, red
}

// quad is the chroma of four pixels, to be added to luma: blue, green, red.
type quad [3]uint64

// quads are the quads of one piece of a row.
type quads [pieceLen / 4]quad

const pieceLen = 256 // pixels

// set computes the quads of n pixels from column x in row y.
func (q *quads) set(p *Planes, x, y, n int) {
	if p.Cb == nil {
		for i := range q {
			q[i] = quad{laneBias, laneBias, laneBias}
		}
		return
	}
	at := y/p.SubY*p.CStride + x/p.SubX
	n = (n + p.SubX - 1) / p.SubX
	cb, cr := p.Cb[at:at+n], p.Cr[at:at+n]
	for i := 0; i < n; i += 4 {
		b, r := four(cb, i), four(cr, i)
		switch p.SubX {
		case 1:
			blue, green, red := chroma(lanes(b), lanes(r))
			q[i/4&(len(q)-1)] = quad{blue, green, red}
		case 2:
			blue, green, red := chroma(lanesInOrder(b), lanesInOrder(r))
			c := (*[2]quad)(q[i/2&(len(q)-1):])
			c[0] = quad{lowTwice(blue), lowTwice(green), lowTwice(red)}
			c[1] = quad{highTwice(blue), highTwice(green), highTwice(red)}
		case 4:
			blue, green, red := chroma(lanesInOrder(b), lanesInOrder(r))
			for j := range min(4, n-i) {
				lane := func(v uint64) uint64 { return v >> (16 * j) & 0xFFFF * laneOnes }
				q[i+j] = quad{lane(blue), lane(green), lane(red)}
			}
		}
	}
}

func lowTwice(v uint64) uint64  { return v<<32 | v&(1<<32-1) }
func highTwice(v uint64) uint64 { return v>>32 | v&^(1<<32-1) }

// four returns four bytes from b[i], the first in the lowest eight bits. Bytes
// after the end are 0.
func four(b []byte, i int) uint32 {
	if i+4 <= len(b) {
		return binary.LittleEndian.Uint32(b[i:])
	}
	var rest [4]byte
	copy(rest[:], b[i:])
	return binary.LittleEndian.Uint32(rest[:])
}

// layout is a display's pixel format.
type layout int

const (
	bgrx layout = iota
	rgbx
	rgb565
)

// put converts all rows.
func (p *Planes) put(dst []byte, stride int, to layout) {
	var q quads
	bytes := 4
	if to == rgb565 {
		bytes = 2
	}
	for top := 0; top < p.H; top += p.SubY {
		for x := 0; x < p.W; x += pieceLen {
			n := min(pieceLen, p.W-x)
			q.set(p, x, top, n)
			for y := top; y < min(top+p.SubY, p.H); y++ {
				luma, out := p.Y[y*p.YStride+x:][:n], dst[y*stride+x*bytes:][:n*bytes]
				to.put(out, luma, q[:n/4])
				if whole := n &^ 3; whole < n {
					var last, made [16]byte
					copy(last[:], luma[whole:])
					to.put(made[:], last[:4], q[n/4:n/4+1])
					copy(out[whole*bytes:], made[:])
				}
			}
		}
	}
}

// put converts four pixels for each quad.
func (to layout) put(dst, luma []byte, q []quad) {
	if to == rgb565 {
		pixels16(dst, luma, q)
	} else {
		pixels32(dst, luma, q, to == rgbx)
	}
}

// pixels32 writes blue, green, red, 0xFF; with swap red, green, blue, 0xFF.
func pixels32(dst, luma []byte, q []quad, swap bool) {
	for i := range q {
		c, y := &q[i], lanes(binary.LittleEndian.Uint32(luma[4*i:]))
		blue, green, red := y+c[0], y+c[1], y+c[2]
		if blue&green&red&laneBias == laneBias {
			blue, green, red = blue-laneBias, green-laneBias, red-laneBias
		} else {
			blue, green, red = clampLanes(blue), clampLanes(green), clampLanes(red)
		}
		if swap {
			blue, red = red, blue
		}
		low, high := blue|green<<8, red|0xFF00*laneOnes
		d := (*[16]byte)(dst[16*i:])
		binary.LittleEndian.PutUint64(d[:8], low&laneEven|high&laneEven<<16)
		binary.LittleEndian.PutUint64(d[8:], low>>16&laneEven|high&^laneEven)
	}
}

// pixels16 writes pixels of 5, 6 and 5 bits.
func pixels16(dst, luma []byte, q []quad) {
	for i := range q {
		c, y := &q[i], lanes(binary.LittleEndian.Uint32(luma[4*i:]))
		blue, green, red := clampLanes(y+c[0]), clampLanes(y+c[1]), clampLanes(y+c[2])
		v := blue>>3&(0x1F*laneOnes) | green&(0xFC*laneOnes)<<3 | red&(0xF8*laneOnes)<<8
		v = v&(0xFFFF|0xFFFF<<48) | v>>16&(0xFFFF<<16) | v&(0xFFFF<<16)<<16
		binary.LittleEndian.PutUint64(dst[8*i:], v)
	}
}

// PutBGRX writes the frame to dst with four bytes a pixel: blue, green, red,
// 0xFF. Rows are stride bytes apart. It panics if dst is too short. Chroma is
// repeated, not interpolated.
func (p *Planes) PutBGRX(dst []byte, stride int) { p.put(dst, stride, bgrx) }

// PutRGBX does the same for red, green, blue, 0xFF.
func (p *Planes) PutRGBX(dst []byte, stride int) { p.put(dst, stride, rgbx) }

// PutRGB565 does the same with two bytes a pixel, little endian: five bits of
// red (the highest), six of green, five of blue.
func (p *Planes) PutRGB565(dst []byte, stride int) { p.put(dst, stride, rgb565) }
