package mjpeg

// quantiser divides the output of dctColumns by a table's steps.
const (
	sampleShift = 3
	fixBits     = 12
	fix0382     = 1567 // 0.382683433: sin(pi/8)
	fix0541     = 2217 // 0.541196100: cos(pi/8) - sin(pi/8)
	fix0707     = 2896 // 0.707106781: cos(pi/4)
	fix1306     = 5352 // 1.306562965: cos(pi/8) + sin(pi/8)
)

// dctRows transforms the eight rows of a block into ws. Samples of a row are
// step bytes apart, rows stride bytes.
func dctRows(ws *[64]int32, src []byte, step, stride int) {
	for y := 0; y < 64; y += 8 {
		s := src[:7*step+1]
		r := ws[y : y+8 : y+8]
		const level = 128 // level shift, A.3.1; cancels out except in DC
		p0, p1, p2, p3 := int32(s[0]), int32(s[step]), int32(s[2*step]), int32(s[3*step])
		p4, p5, p6, p7 := int32(s[4*step]), int32(s[5*step]), int32(s[6*step]), int32(s[7*step])
		a0, a7 := (p0+p7)<<sampleShift, (p0-p7)<<sampleShift
		a1, a6 := (p1+p6)<<sampleShift, (p1-p6)<<sampleShift
		a2, a5 := (p2+p5)<<sampleShift, (p2-p5)<<sampleShift
		a3, a4 := (p3+p4)<<sampleShift, (p3-p4)<<sampleShift

		b0, b3, b1, b2 := a0+a3, a0-a3, a1+a2, a1-a2
		r[0], r[4] = b0+b1-8*level<<sampleShift, b0-b1
		z1 := (b2 + b3) * fix0707 >> fixBits
		r[2], r[6] = b3+z1, b3-z1

		c0, c1, c2 := a4+a5, a5+a6, a6+a7
		z5 := (c0 - c2) * fix0382
		z2 := (c0*fix0541 + z5) >> fixBits
		z4 := (c2*fix1306 + z5) >> fixBits
		z3 := c1 * fix0707 >> fixBits
		z11, z13 := a7+z3, a7-z3
		r[5], r[3], r[1], r[7] = z13+z2, z13-z2, z11+z4, z11-z4
		if y < 56 {
			src = src[stride:]
		}
	}
}

// dctColumns transforms the eight columns of ws in place.
func dctColumns(ws *[64]int32) {
	for x := range 8 {
		r := ws[x : x+57]
		a0, a7 := r[0]+r[56], r[0]-r[56]
		a1, a6 := r[8]+r[48], r[8]-r[48]
		a2, a5 := r[16]+r[40], r[16]-r[40]
		a3, a4 := r[24]+r[32], r[24]-r[32]

		b0, b3, b1, b2 := a0+a3, a0-a3, a1+a2, a1-a2
		r[0], r[32] = b0+b1, b0-b1
		z1 := (b2 + b3) * fix0707 >> fixBits
		r[16], r[48] = b3+z1, b3-z1

		c0, c1, c2 := a4+a5, a5+a6, a6+a7
		z5 := (c0 - c2) * fix0382
		z2 := (c0*fix0541 + z5) >> fixBits
		z4 := (c2*fix1306 + z5) >> fixBits
		z3 := c1 * fix0707 >> fixBits
		z11, z13 := a7+z3, a7-z3
		r[40], r[24], r[8], r[56] = z13+z2, z13-z2, z11+z4, z11-z4
	}
}

// quantiser divides what columns leaves by a table's steps.
type quantiser struct {
	reciprocals [64]uint32 // 2^32 / step
	zeroBelow   [64]int32  // smaller magnitudes round to 0
}

func newQuantiser(steps *[64]uint8) (q quantiser) {
	for i, s := range steps {
		// The two-dimensional DCT is too large by 8, compared to A.3.3.
		step := float64(s) * aanScale[i/8] * aanScale[i%8] * 8 * (1 << sampleShift)
		q.reciprocals[i] = uint32((1<<32)/step + 0.5)
		q.zeroBelow[i] = int32(step/2) + 1
	}
	return q
}

// quantise writes the nonzero coefficients to out in zigzag order. Bit k of
// mask is set for out[k]. It leaves the others unchanged.
func (q *quantiser) quantise(out *[64]int32, ws *[64]int32) (mask uint64) {
	for i, c := range ws {
		if n := q.zeroBelow[i]; uint32(c+n-1) <= uint32(2*n-2) {
			continue
		}
		sign := c >> 31
		v := int32((uint64(uint32((c^sign)-sign))*uint64(q.reciprocals[i]) + 1<<31) >> 32)
		v = min(v, 1023) // baseline allows ten bits, F.1.2.2
		z := zigzag[i] & 63
		out[z] = (v ^ sign) - sign
		mask |= 1 << z
	}
	return mask
}
