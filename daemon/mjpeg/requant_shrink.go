package mjpeg

import (
	"math"
	"math/bits"
	"slices"
)

// Shrink renders the frame at n eighths of its size, in samples: the n by n
// lowest frequencies of a block are, up to a factor, the DCT of n by n samples
// of its area. It then transforms blocks of the smaller planes.

// shrinker is the memory of Shrink.
type shrinker struct {
	planes      [3]shrunkPlane
	quantisers  [3]quantiser
	blockStarts []int32      // each block's first word
	coefs       coefficients // the output; it changes places with the input
}

// shrunkPlane is a rendered component.
type shrunkPlane struct {
	samples []byte
	stride  int
}

// maxEighths is the largest argument of Shrink.
const maxEighths = 4

const (
	shrinkBits     = 10 // fraction bits of shrinkBasis
	shrinkLineBits = 2  // fraction bits between rows and columns
)

// shrinkBasis[n][x][u] is frequency u of n at sample x, with DC as 1.
var shrinkBasis = func() (b [maxEighths + 1][4][4]int32) {
	for n := range b {
		for x := range n {
			b[n][x][0] = 1 << shrinkBits
			for u := 1; u < n; u++ {
				angle := float64((2*x+1)*u) * math.Pi / float64(2*n)
				b[n][x][u] = int32(math.Round(math.Sqrt2 * math.Cos(angle) * (1 << shrinkBits)))
			}
		}
	}
	return b
}()

// naturalOrder[k] is the natural index of the coefficient at position k in
// zigzag order.
var naturalOrder = func() (n [64]uint8) {
	for i, z := range zigzag {
		n[z] = uint8(i)
	}
	return n
}()

// lowFrequencies dequantises the n by n lowest frequencies of a block. It
// returns the number of rows up to the last one with an AC coefficient.
func lowFrequencies(c *[4][4]int32, n int, words []uint32, steps *[64]uint8) (rows int) {
	const most = 2047 // more than any valid block has; fits the fixed point
	c[0][0] = min(max((int32(words[0])>>16)*int32(steps[0]), -most), most)
	last := uint32(zigzag[9*(n-1)])
	for _, w := range words[1 : 1+words[0]&0xFFFF] {
		k := w & 63
		if k > last {
			break
		}
		u, v := int(naturalOrder[k]&7), int(naturalOrder[k]>>3)
		if u >= n || v >= n {
			continue
		}
		a := min(int32(w>>7)*int32(steps[k]), most)
		if w>>6&1 != 0 {
			a = -a
		}
		c[v&3][u&3] = a
		rows = max(rows, v+1)
	}
	return rows
}

// renderBlock writes a block as n by n samples.
func renderBlock(dst []byte, stride, n int, words []uint32, steps *[64]uint8) {
	var c [4][4]int32
	rows := lowFrequencies(&c, n, words, steps)
	if rows == 0 {
		fillBlock(dst, stride, n, c[0][0])
		return
	}
	basis := &shrinkBasis[n]
	for y := range n {
		var line [4]int32
		for v, b := range basis[y&3][:rows] {
			for u := range n {
				line[u&3] += c[v&3][u&3] * b
			}
		}
		for u := range n {
			line[u&3] >>= shrinkBits - shrinkLineBits
		}
		out := dst[y*stride:][:n]
		for x := range out {
			const shift = shrinkBits + shrinkLineBits + 3 // DC is eight times the mean
			sum := int32(1<<shift>>1 + 128<<shift)
			for u, b := range basis[x&3][:n] {
				sum += line[u&3] * b
			}
			out[x] = clampTable[sum>>shift&(clampTableLen-1)]
		}
	}
}

// Shrink reduces the loaded frame's width and height to eighths/8, rounded up;
// eighths is 1 to 4. A 4:2:2 frame becomes 4:2:0: in a small frame even empty
// blocks of chroma take a third of the bytes. It can be called again.
func (r *Requantiser) Shrink(eighths int) {
	if r.geometry.n == 0 {
		return
	}
	n := min(max(eighths, 1), maxEighths)
	old, s := r.geometry, &r.shrink
	g := &r.geometry
	if old.is422() {
		g.comps[0].v = 2
		g.mcuLayout = mcuLayout{}
		g.add(0, 4)
		g.add(1, 1)
		g.add(2, 1)
	}
	g.resize(ceilDiv(old.width*n, 8), ceilDiv(old.height*n, 8))
	r.indexBlocks()
	for i := range g.n {
		r.renderPlane(i, &old, n)
		r.srcSteps[i] = shrunkSteps(&r.srcSteps[i], n)
		var steps [64]uint8
		for k, at := range naturalOrder {
			steps[at] = r.srcSteps[i][k]
		}
		s.quantisers[i] = newQuantiser(&steps)
	}
	s.transform(g)
	r.coefs, s.coefs = s.coefs, r.coefs
	r.tokenised, r.shrunk = -1, true
}

// is422 reports whether chroma has half of luma's width and all of its height.
func (g *geometry) is422() bool {
	if g.n != 3 {
		return false
	}
	y, cb, cr := &g.comps[0], &g.comps[1], &g.comps[2]
	return y.h == 2 && y.v == 1 && cb.h == 1 && cb.v == 1 && cr.h == 1 && cr.v == 1
}

// shrunkSteps returns the steps of a frame at n/8 of the size: n/8 of the old
// ones at the same frequency of the scene. Finer ones would only preserve the
// source's rounding.
func shrunkSteps(old *[64]uint8, n int) (steps [64]uint8) {
	for k, at := range naturalOrder {
		u, v := int(at&7)*n/8, int(at>>3)*n/8
		steps[k] = uint8(ceilDiv(int(old[zigzag[8*v+u]])*n, 8))
	}
	return steps
}

// indexBlocks finds each block's first word.
func (r *Requantiser) indexBlocks() {
	starts := r.shrink.blockStarts[:0]
	for at := 0; at < len(r.coefs.words); at += 1 + int(r.coefs.words[at]&0xFFFF) {
		starts = append(starts, int32(at))
	}
	r.shrink.blockStarts = starts
}

// renderPlane renders component i of the frame with the geometry old at n/8 of
// its size, for r.geometry.
func (r *Requantiser) renderPlane(i int, old *geometry, n int) {
	c, to := &old.comps[i], &r.geometry.comps[i]
	first := 0
	for _, b := range old.comps[:i] {
		first += b.h * b.v
	}
	wide, high := old.across*c.h, old.down*c.v
	// Half the height if 4:2:2 becomes 4:2:0.
	reduction := r.geometry.vmax * c.v / (old.vmax * to.v)
	rows := 8 * r.geometry.down * to.v * reduction
	p := &r.shrink.planes[i]
	p.stride = max(8*r.geometry.across*to.h, n*wide)
	size := p.stride * max(rows, n*high)
	p.samples = slices.Grow(p.samples[:0], size)[:size]
	for by := range high {
		for bx := range wide {
			block := (by/c.v*old.across+bx/c.h)*old.perMCU + first + by%c.v*c.h + bx%c.h
			words := r.coefs.words[r.shrink.blockStarts[block]:]
			renderBlock(p.samples[n*(by*p.stride+bx):], p.stride, n, words, &r.srcSteps[i])
		}
	}
	p.pad(ceilDiv(old.width*c.h*n, 8*old.hmax), ceilDiv(old.height*c.v*n, 8*old.vmax), rows)
	if reduction == 2 {
		p.halveHeight(rows / 2)
	}
}

// pad repeats the last visible samples, of w by h, to the right and down to
// rows.
func (p *shrunkPlane) pad(w, h, rows int) {
	for y := range h {
		line := p.samples[y*p.stride:][:p.stride]
		for x := w; x < len(line); x++ {
			line[x] = line[w-1]
		}
	}
	for y := h; y < rows; y++ {
		copy(p.samples[y*p.stride:][:p.stride], p.samples[(h-1)*p.stride:])
	}
}

// halveHeight makes rows rows of twice as many.
func (p *shrunkPlane) halveHeight(rows int) {
	for y := range rows {
		to := p.samples[y*p.stride:][:p.stride]
		a, b := p.samples[2*y*p.stride:][:len(to)], p.samples[(2*y+1)*p.stride:][:len(to)]
		for x := range to {
			to[x] = byte((int(a[x]) + int(b[x]) + 1) >> 1)
		}
	}
}

// transform makes coefs of the planes of a frame with the geometry g.
func (s *shrinker) transform(g *geometry) {
	s.coefs.words, s.coefs.chunks = s.coefs.words[:0], s.coefs.chunks[:0]
	var pred [3]int32
	var workspace, values [64]int32
	for m := range g.across * g.down {
		if m%chunkLen == 0 {
			s.coefs.chunks = append(s.coefs.chunks, chunk{len(s.coefs.words), pred})
		}
		for i, c := range g.comps[:g.n] {
			p := &s.planes[i]
			for b := range c.h * c.v {
				x, y := m%g.across*c.h+b%c.h, m/g.across*c.v+b/c.h
				dctRows(&workspace, p.samples[8*(y*p.stride+x):], 1, p.stride)
				dctColumns(&workspace)
				mask := s.quantisers[i].quantise(&values, &workspace)
				pred[i] = s.coefs.appendBlock(&values, mask)
			}
		}
	}
}

// appendBlock appends a block of the values in mask, in zigzag order. It
// returns the block's DC.
func (c *coefficients) appendBlock(values *[64]int32, mask uint64) (dc int32) {
	if mask&1 != 0 {
		dc = min(max(values[0], -1024), 1023)
	}
	c.words = append(c.words, uint32(dc)<<16|uint32(bits.OnesCount64(mask&^1)))
	for mask &^= 1; mask != 0; mask &= mask - 1 {
		k := bits.TrailingZeros64(mask)
		v := values[k&63]
		sign := v >> 31
		c.words = append(c.words, uint32((v^sign)-sign)<<7|uint32(sign&1)<<6|uint32(k))
	}
	return dc
}
