package mjpeg

import "math"

// A block of half the size is made of four neighbours in the transform domain: from each block the 4x4 lowest frequencies
// are what a 4x4 transform of the same area would have, up to a factor, and the four areas are transformed as one block
// (Dugad and Ahuja, 2001). That is one linear step for rows and the same for columns: with the orthonormal transforms D8
// and D4, a line of left and right halves with the frequencies l and r becomes
//
//	D8 * [D4ᵀ*l ; D4ᵀ*r] / √2
//
// The right half is the left one mirrored, so one 8x4 matrix does, with the signs of odd frequencies.

const halveBits = 12

// halveMatrix is the left half of D8 times D4ᵀ over √2.
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

// halveLine makes eight frequencies, step apart in out, of four of the left and four of the right half. Where these are
// all 0 it leaves out as it is.
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

// natural[k] is the natural index of the coefficient with the place k in zigzag order.
var natural = func() (n [64]uint8) {
	for i, z := range zigzag {
		n[z] = uint8(i)
	}
	return n
}()

// corner takes the 4x4 lowest frequencies out of a block's words, dequantised. Mirrored across or down, odd frequencies
// change their sign.
func corner(c *[4][4]int32, words []uint32, steps *[64]uint8, across, down bool) {
	const most = 2047 // what no picture has more of, and fixed point bears
	c[0][0] = min(max((int32(words[0])>>16)*int32(steps[0]), -most), most)
	for _, w := range words[1 : 1+words[0]&0xFFFF] {
		k := w & 63
		if k > 24 { // the place of 3,3
			break
		}
		i := natural[k]
		if i&4 != 0 || i >= 32 {
			continue
		}
		v := min(int32(w>>7)*int32(steps[k]), most)
		if w>>6&1 != 0 != (across && i&1 != 0) != (down && i>>3&1 != 0) {
			v = -v
		}
		c[i>>3][i&3] = v
	}
}

// Halve makes the loaded frame half as wide and half as high, rounded up. It can be called again.
func (r *Requantiser) Halve() {
	if r.shape.n == 0 {
		return
	}
	r.findBlocks()
	old := r.shape
	r.shape.resize((old.width+1)/2, (old.height+1)/2)
	var steps [3][64]uint8
	var quant [3]fine
	for i := range old.n {
		// Half the old ones at twice the frequency: what is finer would only keep the old frame's rounding.
		for k, n := range natural {
			steps[i][k] = uint8((int(r.from[i][zigzag[n>>4<<3|n&7>>1]]) + 1) / 2)
		}
		quant[i] = newFine(&steps[i])
	}
	h := &r.half
	h.words, h.chunks = h.words[:0], h.chunks[:0]
	var pred [3]int32
	var block [64]int32
	for m := range r.shape.across * r.shape.down {
		if m%chunkLen == 0 {
			h.chunks = append(h.chunks, chunk{len(h.words), pred})
		}
		for i, c := range r.shape.comps[:r.shape.n] {
			for b := range c.h * c.v {
				x := m%r.shape.across*c.h + b%c.h
				y := m/r.shape.across*c.v + b/c.h
				r.quarter(&block, &old, i, x, y)
				pred[i] = h.quantise(&block, &quant[i])
			}
		}
	}
	r.from = steps
	r.coef, r.half = r.half, r.coef
}

// findBlocks notes where each block's words begin.
func (r *Requantiser) findBlocks() {
	r.places = r.places[:0]
	for at := 0; at < len(r.coef.words); at += 1 + int(r.coef.words[at]&0xFFFF) {
		r.places = append(r.places, int32(at))
	}
}

// quarter makes block x, y of component i at half the size; its values are four times too large.
func (r *Requantiser) quarter(out *[64]int32, old *geometry, i, x, y int) {
	c := &old.comps[i]
	first := 0
	for _, b := range old.comps[:i] {
		first += b.h * b.v
	}
	wide, high := old.across*c.h, old.down*c.v
	// Eight frequencies across of each of four rows, once of the upper and once of the lower half.
	var lines [2][64]int32
	for half := range lines {
		var parts [2][4][4]int32
		for side := range parts {
			bx, by := 2*x+side, 2*y+half
			// Behind the edge the frame is mirrored, which adds no frequencies.
			mirrorX, mirrorY := bx >= wide, by >= high
			bx, by = min(bx, wide-1), min(by, high-1)
			block := (by/c.v*old.across+bx/c.h)*old.perMCU + first + by%c.v*c.h + bx%c.h
			corner(&parts[side], r.coef.words[r.places[block]:], &r.from[i], mirrorX, mirrorY)
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

// fine quantises what quarter makes.
type fine struct {
	nought [64]int32  // anything smaller becomes 0
	recip  [64]uint32 // 2^24 over four steps
}

func newFine(steps *[64]uint8) (f fine) {
	for k, s := range steps {
		f.nought[k] = 2 * int32(s)
		f.recip[k] = 1<<24/(4*uint32(s)) + 1 // too large by little, so that nothing from nought up becomes 0
	}
	return f
}

// quantise appends a block whose values are four times too large, and returns its DC.
func (c *coefficients) quantise(block *[64]int32, f *fine) (dc int32) {
	at := len(c.words)
	c.words = append(c.words, 0)
	words := c.words
	for k, i := range &natural {
		v, n := block[i&63], f.nought[k]
		if uint32(v+n-1) <= uint32(2*n-2) {
			continue
		}
		sign := v >> 31
		m := uint32(uint64(uint32((v^sign)-sign+n)) * uint64(f.recip[k]) >> 24)
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
