package mjpeg

import "encoding/binary"

// Four pixels are made at once, each colour of them in one word of four lanes of 16 bits. In a lane there are 256 too much until it
// is known to need no clamping: then it is 256 to 511, otherwise 0 to 767.
//
// The lanes are those of the pixels 0, 2, 1 and 3: few shifts lead from four bytes to them, and from them to a display's pixels.
const (
	laneOnes = 1 | 1<<16 | 1<<32 | 1<<48
	laneBias = 256 * laneOnes
	laneEven = 0xFFFF | 0xFFFF<<32
)

// lanes makes lanes of four samples, the first in the lowest byte.
func lanes(four uint32) uint64 { return (uint64(four) | uint64(four)<<24) & (255 * laneOnes) }

// lanesInOrder makes lanes in the order 0, 1, 2, 3.
func lanesInOrder(four uint32) uint64 {
	v := (uint64(four) | uint64(four)<<16) & laneEven
	return (v | v<<8) & (255 * laneOnes)
}

// clampLanes clamps and takes the bias away: bit 8 says that the lane is a sample's value, bit 9 that it is above.
func clampLanes(v uint64) uint64 {
	fits, above := v>>8&laneOnes, v>>9&laneOnes
	return v&(fits*255) | above*255
}

// chroma makes of Cb and Cr what is added to luma for blue, green and red, in biased lanes of the same order. JFIF has it
//
//	B = Y + 1.772 (Cb-128)   G = Y - 0.344136 (Cb-128) - 0.714136 (Cr-128)   R = Y + 1.402 (Cr-128)
//
// Products are of eight bits, arranged so that they are positive and below 65536. All is within 1 of the exact sum, and no chroma
// makes no colour.
func chroma(cb, cr uint64) (blue, green, red uint64) {
	const low = 255 * laneOnes
	blue = cb + (cb*198+175*laneOnes)>>8&low + 29*laneOnes
	green = ((cb^low)*88+cr*73+78*laneOnes)>>8&low + 304*laneOnes - cr
	red = cr + (cr*103+11*laneOnes)>>8&low + 77*laneOnes
	return blue, green, red
}

// quad is what chroma adds to the luma of four pixels: to blue, green and red.
type quad [3]uint64

// quads are those of a piece of a row.
type quads [pieceLen / 4]quad

const pieceLen = 256

// set makes the quads of n pixels from column x in row y.
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
				q[i+j] = quad{blue >> (16 * j) & 0xFFFF * laneOnes, green >> (16 * j) & 0xFFFF * laneOnes, red >> (16 * j) & 0xFFFF * laneOnes}
			}
		}
	}
}

func lowTwice(v uint64) uint64  { return v<<32 | v&(1<<32-1) }
func highTwice(v uint64) uint64 { return v>>32 | v&^(1<<32-1) }

// four is four bytes from number i on, the first in the lowest eight bits; those behind the end are 0.
func four(b []byte, i int) uint32 {
	if i+4 <= len(b) {
		return binary.LittleEndian.Uint32(b[i:])
	}
	var rest [4]byte
	copy(rest[:], b[i:])
	return binary.LittleEndian.Uint32(rest[:])
}

// layout is how a pixel stands in memory.
type layout int

const (
	bgrx layout = iota
	rgbx
	rgb565
)

// put makes the pixels of all rows.
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

// put makes four pixels for each quad.
func (to layout) put(dst, luma []byte, q []quad) {
	if to == rgb565 {
		pixels16(dst, luma, q)
	} else {
		pixels32(dst, luma, q, to == rgbx)
	}
}

// pixels32 makes pixels of blue, green, red and 0xFF; of red, green, blue and 0xFF with swap.
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

// pixels16 makes pixels of 5, 6 and 5 bits.
func pixels16(dst, luma []byte, q []quad) {
	for i := range q {
		c, y := &q[i], lanes(binary.LittleEndian.Uint32(luma[4*i:]))
		blue, green, red := clampLanes(y+c[0]), clampLanes(y+c[1]), clampLanes(y+c[2])
		v := blue>>3&(0x1F*laneOnes) | green&(0xFC*laneOnes)<<3 | red&(0xF8*laneOnes)<<8
		v = v&(0xFFFF|0xFFFF<<48) | v>>16&(0xFFFF<<16) | v&(0xFFFF<<16)<<16
		binary.LittleEndian.PutUint64(dst[8*i:], v)
	}
}

// PutBGRX puts the frame to dst as four bytes a pixel, blue, green, red, 0xFF; a row of it begins stride bytes behind the last.
// It panics if dst is too short. Chroma is repeated, not interpolated.
func (p *Planes) PutBGRX(dst []byte, stride int) { p.put(dst, stride, bgrx) }

// PutRGBX is PutBGRX for red, green, blue, 0xFF.
func (p *Planes) PutRGBX(dst []byte, stride int) { p.put(dst, stride, rgbx) }

// PutRGB565 is PutBGRX for two bytes a pixel, the lower first: five bits of red from the highest, six of green, five of blue.
func (p *Planes) PutRGB565(dst []byte, stride int) { p.put(dst, stride, rgb565) }
