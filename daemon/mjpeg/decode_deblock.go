package mjpeg

import "encoding/binary"

// Coarse steps leave a jump where two blocks meet. The filter turns a jump of
// up to limit grey levels into a ramp, a larger one less, and leaves jumps of
// twice the limit alone: those are edges of the scene. It works on four samples
// on either side, P3 to P0 and Q0 to Q3:
//
//	          flat blocks      others
//	P0, Q0    3/8 of the ramp  3/8
//	P1, Q1    1/4              1/8
//	P2, Q2    1/8
//	P3, Q3    1/16
//
// On photos at 1 Mbit/s these weights are better than wider or narrower ramps.

const (
	// fineStep is the DC step up to which blocks do not show: about quality 75.
	fineStep = 8
	// maxJump bounds the limit. The steps of a Requantiser reach 26.
	maxJump = 40
)

// jumpLimit returns the limit for a DC step. It grows gradually from 0, so that
// frames whose quality changes do not flicker.
func jumpLimit(dcStep int32) int { return int(min(max(dcStep-fineStep, 0)/2, maxJump)) }

// deblock softens the edges between the blocks of all components.
func (d *Decoder) deblock() {
	g := &d.header.geometry
	for i, c := range g.comps[:g.n] {
		t := &d.comps[i]
		if limit := jumpLimit(t.dcStep); limit > 0 {
			deblockPlane(t.samples, t.stride, ceilDiv(g.width*c.h, g.hmax), ceilDiv(g.height*c.v, g.vmax), limit)
		}
	}
}

// deblockPlane filters a plane of 8x8 blocks, of which w by h samples are
// visible.
func deblockPlane(samples []byte, stride, w, h, limit int) {
	for y := 0; y < h; y += 8 {
		for x := 4; x+4 < w; x += 8 {
			deblockColumn(samples[y*stride+x:], stride, limit)
		}
		if y > 0 {
			deblockRow(samples[(y-4)*stride:], stride, limit)
		}
	}
}

// deblockColumn filters the vertical edge in the middle of eight rows of eight
// samples.
func deblockColumn(samples []byte, stride, limit int) {
	before, after := uint64(0), uint64(0)
	for y := range 8 {
		p := (*[8]byte)(samples[y*stride:])
		v := binary.LittleEndian.Uint64(p[:])
		if v != before { // rows of flat blocks are all the same
			before, after = v, deblockLine(v, limit)
		}
		if after != v {
			binary.LittleEndian.PutUint64(p[:], after)
		}
	}
}

// rampMoves[flat][ramp] holds how far P3 to P0 and Q0 to Q3 move towards each
// other. flat is 1 for flat blocks.
var rampMoves = func() (m [2][maxJump + 1]uint64) {
	for r := range uint64(maxJump + 1) {
		near, eighth := (3*r+4)>>3, (r+4)>>3
		m[0][r] = (near|near<<8)<<24 | (eighth|eighth<<24)<<16
		m[1][r] = (near|near<<8)<<24 | ((r+2)>>2*(1|1<<24))<<16 | (eighth*(1|1<<40))<<8 | (r+8)>>4*(1|1<<56)
	}
	return m
}()

// deblockLine filters P3 to P0 and Q0 to Q3, the first in the lowest byte.
func deblockLine(v uint64, limit int) uint64 {
	jump := int(v>>32&255) - int(v>>24&255)
	size := max(jump, -jump)
	ramp := min(size, 2*limit-size)
	if ramp <= 0 {
		return v
	}
	flat := 0
	if (v^v>>8)&0x00FFFFFF_00FFFFFF == 0 {
		flat = 1
	}
	move := rampMoves[flat&1][min(ramp, maxJump)]
	rise := uint64(int64(jump)>>63) ^ (1<<32 - 1) // P, or Q if it is higher
	return subBytes(addBytes(v, move&rise), move&^rise)
}

// Rows are filtered eight columns at a time, a byte each.
const byteOnes = 1<<56 | 1<<48 | 1<<40 | 1<<32 | 1<<24 | 1<<16 | 1<<8 | 1

// deblockRow filters the horizontal edge in the middle of eight rows.
func deblockRow(samples []byte, stride, limit int) {
	var p, q [4][]byte // from the edge outwards
	for i := range 4 {
		p[i], q[i] = samples[(3-i)*stride:][:stride], samples[(4+i)*stride:][:stride]
	}
	limits := uint64(2*limit) * laneOnes
	for x := 0; x+8 <= stride; x += 8 {
		p0, q0 := word(p[0], x), word(q[0], x)
		if p0 == q0 {
			continue
		}
		const even = 255 * laneOnes
		ramp, up := jumps(p0&even, q0&even, limits)
		rampOdd, upOdd := jumps(p0>>8&even, q0>>8&even, limits)
		ramp, up = ramp|rampOdd<<8, up|upOdd<<8
		if ramp == 0 {
			continue
		}
		move := (3*ramp + 4*byteOnes) >> 3 & (31 * byteOnes)
		putWord(p[0], x, p0+move&up-move&^up)
		putWord(q[0], x, q0-move&up+move&^up)

		p1, p2, p3 := word(p[1], x), word(p[2], x), word(p[3], x)
		q1, q2, q3 := word(q[1], x), word(q[2], x), word(q[3], x)
		varies := (p0 ^ p1) | (p1 ^ p2) | (p2 ^ p3) | (q0 ^ q1) | (q1 ^ q2) | (q2 ^ q3)
		flat := ^bytesAbove0(varies)
		eighth := (ramp + 4*byteOnes) >> 3 & (31 * byteOnes)
		move = (ramp+2*byteOnes)>>2&(63*byteOnes)&flat | eighth&^flat
		putWord(p[1], x, subBytes(addBytes(p1, move&up), move&^up))
		putWord(q[1], x, subBytes(addBytes(q1, move&^up), move&up))
		if flat == 0 {
			continue
		}
		move = eighth & flat
		putWord(p[2], x, p2+move&up-move&^up)
		putWord(q[2], x, q2-move&up+move&^up)
		move = (ramp + 8*byteOnes) >> 4 & (15 * byteOnes) & flat
		putWord(p[3], x, p3+move&up-move&^up)
		putWord(q[3], x, q3-move&up+move&^up)
	}
}

func word(b []byte, at int) uint64       { return binary.LittleEndian.Uint64(b[at:]) }
func putWord(b []byte, at int, v uint64) { binary.LittleEndian.PutUint64(b[at:], v) }

// jumps returns the ramps from p to q in lanes, and which of them go up.
// limits is twice the limit.
func jumps(p, q, limits uint64) (ramp, up uint64) {
	const low = 255 * laneOnes
	jump := q + laneBias - p // 256 and more: upwards
	up = lanesSet(jump >> 8)
	jump &= low
	size := jump&up | (laneBias-jump)&^up&low
	room := limits + laneBias - size
	room &= lanesSet(room >> 8)
	less := lanesSet((room + laneBias - size) >> 8)
	return size&less | room&^less, up
}

// lanesSet returns 255 in the lanes whose lowest bit is set.
func lanesSet(v uint64) uint64 { return v & laneOnes * 255 }

// bytesAbove0 returns 255 in the bytes that are not 0.
func bytesAbove0(v uint64) uint64 {
	v = (v&^topBits + 127*byteOnes | v) & topBits
	return v >> 7 * 255
}

// addBytes adds up to 127 to each byte, up to 255.
func addBytes(v, more uint64) uint64 {
	sum := v&^topBits + more
	return sum ^ v&topBits | (sum&v&topBits)>>7*255
}

// subBytes subtracts up to 127 from each byte, down to 0.
func subBytes(v, less uint64) uint64 { return ^addBytes(^v, less) }
