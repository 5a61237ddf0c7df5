package mjpeg

import "encoding/binary"

// A pixel's blue, red and green are added up side by side in one word, with room between them that tells what has to be clamped:
// in bytes 0, 2 and 5.
const (
	lumaLanes = 1 | 1<<16 | 1<<40
	laneSpill = ^uint64(0xFF | 0xFF<<16 | 0xFF<<40)
)

// chroma are what Cb and Cr add to a pixel's lanes, Y left out: R = Y + 1.402 Cr, G = Y - 0.344136 Cb - 0.714136 Cr,
// B = Y + 1.772 Cb, with Cb and Cr less 128.
func chroma(cb, cr byte) uint64 {
	b, r := int64(cb)-128, int64(cr)-128
	const half = 1 << 15
	blue := (b*116130 + half) >> 16
	red := (r*91881 + half) >> 16
	green := (-b*22554 - r*46802 + half) >> 16
	return uint64(blue + red<<16 + green<<40)
}

// clampLanes clamps what spilled: each lane is -256..511.
func clampLanes(v uint64) uint64 {
	b := int64(int16(v))
	v -= uint64(b)
	r := int64(int32(v)) >> 16
	v -= uint64(r << 16)
	g := int64(v) >> 40
	clamp := func(x int64) uint64 { return uint64(min(max(x, 0), 255)) }
	return clamp(b) | clamp(r)<<16 | clamp(g)<<40
}

// PutBGRX puts the picture to dst as four bytes a pixel, blue, green, red, 0xFF; a row of it begins stride bytes behind the last.
// It panics if dst is too short. Chroma is repeated, not interpolated.
func (p *Planes) PutBGRX(dst []byte, stride int) {
	for y := range p.H {
		row := dst[y*stride:][:4*p.W]
		for x := range p.W {
			v := p.pixel(x, y)
			binary.LittleEndian.PutUint32(row[4*x:], uint32(v)|uint32(v>>32)|0xFF<<24)
		}
	}
}

// PutRGBX is PutBGRX for red, green, blue, 0xFF.
func (p *Planes) PutRGBX(dst []byte, stride int) {
	for y := range p.H {
		row := dst[y*stride:][:4*p.W]
		for x := range p.W {
			v := p.pixel(x, y)
			binary.LittleEndian.PutUint32(row[4*x:], uint32(v>>16)&0xFF|uint32(v&0xFF)<<16|uint32(v>>32)|0xFF<<24)
		}
	}
}

// PutRGB565 is PutBGRX for two bytes a pixel, the lower first: five bits of red from the highest, six of green, five of blue.
func (p *Planes) PutRGB565(dst []byte, stride int) {
	for y := range p.H {
		row := dst[y*stride:][:2*p.W]
		for x := range p.W {
			v := p.pixel(x, y)
			binary.LittleEndian.PutUint16(row[2*x:], uint16(v>>16&0xF8<<8|v>>40&0xFC<<3|v&0xFF>>3))
		}
	}
}

// pixel makes the lanes of one pixel.
func (p *Planes) pixel(x, y int) uint64 {
	luma := uint64(p.Y[y*p.YStride+x])
	if p.Cb == nil {
		return luma * lumaLanes
	}
	at := y/p.SubY*p.CStride + x/p.SubX
	if p.rgb {
		return uint64(p.Cr[at]) | luma<<16 | uint64(p.Cb[at])<<40
	}
	v := luma*lumaLanes + chroma(p.Cb[at], p.Cr[at])
	if v&laneSpill != 0 {
		v = clampLanes(v)
	}
	return v
}
