package mjpeg

import "math"

// A block of half the size is computed from four neighbours in the transform
// domain (Dugad and Ahuja, 2001). The 4x4 lowest frequencies of a block are, up
// to a factor, the 4x4 DCT of its area. The four areas are then transformed as
// one block. Rows and columns each take one linear step. With the orthonormal
// transforms D8 and D4 a line of left and right halves with the frequencies l
// and r becomes
//
//	D8 * [D4ᵀ*l ; D4ᵀ*r] / √2
//
// The right half is the left one mirrored, so one 8x4 matrix is enough; odd
// frequencies change sign.

const halveBits = 12

// halveMatrix is the left half of D8 times D4ᵀ, over √2.
var halveMatrix = func() (m [8][4]int32) {
	d := func(n, k, x int) float64 {
		c := math.Sqrt(2 / float64(n))
		if k == 0 {
			c = math.Sqrt(1 / float64(n))
		}
		return c * math.Cos(float64(2*x+1)*float64(k)*math.Pi/float64(2*n))
	}
	for k := range m {
		for j := range m[k] {
			sum := 0.0
			for x := range 4 {
				sum += d(8, k, x) * d(4, j, x)
			}
			m[k][j] = int32(math.Round(sum / math.Sqrt2 * (1 << halveBits)))
		}
	}
	return m
}()

// halveLine computes eight frequencies, step apart in out, from four of the
// left and four of the right half. If these are all zero it leaves out
// unchanged.
func halveLine(out *[64]int32, at, step int, l, r *[4]int32, shift uint) {
	if l[0]|l[1]|l[2]|l[3]|r[0]|r[1]|r[2]|r[3] == 0 {
		return
	}
	var s, d [4]int32
	for j := range 4 {
		s[j], d[j] = l[j]+r[j], l[j]-r[j]
	}
	round := int32(1) << shift >> 1
	for k := 0; k < 8; k += 2 {
		m := &halveMatrix[k]
		out[(at+k*step)&63] = (m[0]*s[0] + m[1]*d[1] + m[2]*s[2] + m[3]*d[3] + round) >> shift
		m = &halveMatrix[k+1]
		out[(at+(k+1)*step)&63] = (m[0]*d[0] + m[1]*s[1] + m[2]*d[2] + m[3]*s[3] + round) >> shift
	}
}

// naturalOrder[k] is the natural index of the coefficient at position k in
// zigzag order.
var naturalOrder = func() (n [64]uint8) {
	for i, z := range zigzag {
		n[z] = uint8(i)
	}
	return n
}()

// lowFrequencies dequantises the 4x4 lowest frequencies of a block. With
// mirrorX or mirrorY odd frequencies change sign.
func lowFrequencies(c *[4][4]int32, words []uint32, steps *[64]uint8, mirrorX, mirrorY bool) {
	const most = 2047 // more than any valid block has; fits the fixed point
	c[0][0] = min(max((int32(words[0])>>16)*int32(steps[0]), -most), most)
	for _, w := range words[1 : 1+words[0]&0xFFFF] {
		k := w & 63
		if k > 24 { // the zigzag position of 3,3
			break
		}
		i := naturalOrder[k]
		if i&4 != 0 || i >= 32 {
			continue
		}
		v := min(int32(w>>7)*int32(steps[k]), most)
		if w>>6&1 != 0 != (mirrorX && i&1 != 0) != (mirrorY && i>>3&1 != 0) {
			v = -v
		}
		c[i>>3][i&3] = v
	}
}

// Halve halves the loaded frame's width and height, rounded up. It can be
// called again.
func (r *Requantiser) Halve() {
	if r.geometry.n == 0 {
		return
	}
	r.tokenised = -1
	r.indexBlocks()
	old := r.geometry
	r.geometry.resize((old.width+1)/2, (old.height+1)/2)
	var steps [3][64]uint8
	var quant [3]halfQuantiser
	for i := range old.n {
		// Half the old steps at twice the frequency. Finer ones would only
		// preserve the source's rounding.
		for k, n := range naturalOrder {
			steps[i][k] = uint8((int(r.srcSteps[i][zigzag[n>>4<<3|n&7>>1]]) + 1) / 2)
		}
		quant[i] = newHalfQuantiser(&steps[i])
	}
	h := &r.halved
	h.words, h.chunks = h.words[:0], h.chunks[:0]
	var pred [3]int32
	var block [64]int32
	for m := range r.geometry.across * r.geometry.down {
		if m%chunkLen == 0 {
			h.chunks = append(h.chunks, chunk{len(h.words), pred})
		}
		for i, c := range r.geometry.comps[:r.geometry.n] {
			for b := range c.h * c.v {
				x := m%r.geometry.across*c.h + b%c.h
				y := m/r.geometry.across*c.v + b/c.h
				r.halveBlock(&block, &old, i, x, y)
				pred[i] = h.quantise(&block, &quant[i])
			}
		}
	}
	r.srcSteps = steps
	r.coefs, r.halved = r.halved, r.coefs
}

// indexBlocks finds each block's first word.
func (r *Requantiser) indexBlocks() {
	r.blockStarts = r.blockStarts[:0]
	for at := 0; at < len(r.coefs.words); at += 1 + int(r.coefs.words[at]&0xFFFF) {
		r.blockStarts = append(r.blockStarts, int32(at))
	}
}

// halveBlock computes block x, y of component i at half the size. Its values
// are too large by four.
func (r *Requantiser) halveBlock(out *[64]int32, old *geometry, i, x, y int) {
	c := &old.comps[i]
	first := 0
	for _, b := range old.comps[:i] {
		first += b.h * b.v
	}
	wide, high := old.across*c.h, old.down*c.v
	// Eight horizontal frequencies of four rows each, for the upper and the
	// lower half.
	var lines [2][64]int32
	for half := range lines {
		var parts [2][4][4]int32
		for side := range parts {
			bx, by := 2*x+side, 2*y+half
			// Mirror the frame at its edge, which adds no frequencies.
			mirrorX, mirrorY := bx >= wide, by >= high
			bx, by = min(bx, wide-1), min(by, high-1)
			block := (by/c.v*old.across+bx/c.h)*old.perMCU + first + by%c.v*c.h + bx%c.h
			lowFrequencies(&parts[side], r.coefs.words[r.blockStarts[block]:], &r.srcSteps[i], mirrorX, mirrorY)
		}
		for v := range 4 {
			halveLine(&lines[half], 8*v, 1, &parts[0][v], &parts[1][v], halveBits-2)
		}
	}
	*out = [64]int32{}
	for u := range 8 {
		var parts [2][4]int32
		for v := range 4 {
			parts[0][v], parts[1][v] = lines[0][8*v+u], lines[1][8*v+u]
		}
		halveLine(out, u, 8, &parts[0], &parts[1], halveBits)
	}
}

// halfQuantiser quantises the output of halveBlock.
type halfQuantiser struct {
	zeroBelow   [64]int32  // smaller magnitudes become 0
	reciprocals [64]uint32 // 2^24 / (4*step)
}

func newHalfQuantiser(steps *[64]uint8) (f halfQuantiser) {
	for k, s := range steps {
		f.zeroBelow[k] = 2 * int32(s)
		f.reciprocals[k] = 1<<24/(4*uint32(s)) + 1 // rounded up, so that zeroBelow does not become 0
	}
	return f
}

// quantise appends a block whose values are too large by four. It returns the
// block's DC.
func (c *coefficients) quantise(block *[64]int32, f *halfQuantiser) (dc int32) {
	at := len(c.words)
	c.words = append(c.words, 0)
	words := c.words
	for k, i := range &naturalOrder {
		v, n := block[i&63], f.zeroBelow[k]
		if uint32(v+n-1) <= uint32(2*n-2) {
			continue
		}
		sign := v >> 31
		m := uint32(uint64(uint32((v^sign)-sign+n)) * uint64(f.reciprocals[k]) >> 24)
		if k == 0 {
			dc = min(max((int32(m)^sign)-sign, -1024), 1023)
			continue
		}
		words = append(words, min(m, 1023)<<7|uint32(sign&1)<<6|uint32(k))
	}
	words[at] = uint32(dc)<<16 | uint32(len(words)-at-1)
	c.words = words
	return dc
}
