package mjpeg

import (
	"math"
	"math/bits"
	"slices"
)

// ratio turns a magnitude in old steps into one in new steps: it is 0 below floor, and then (magnitude*recip + round) >> 20.
type ratio struct {
	floor uint32 // <<7, as in coefficients' words
	recip uint32
	round uint32
}

// ratioBits gives recip 20 bits; with ten of the magnitude the product stays below 2^31.
const ratioBits = 20

// Where values are rounded to, in new steps: what is below deadZone becomes 0, and what is above is rounded up from
// 1 less roundUp. Coefficients are more often small than large, and small ones cost more than they show. Measured on photos, text
// and noise at a half to a tenth of the size, 0.63 and 0.4 give 0.2 to 0.4 dB more at the same size than 0.5 and 0.5; more
// than that blurs.
const (
	deadZone = 0.63
	roundUp  = 1 << ratioBits * 4 / 10
)

func makeRatio(from, to uint8) ratio {
	if from == to {
		return ratio{floor: 1 << 7, recip: 1 << ratioBits}
	}
	r := ratio{
		recip: (uint32(from)<<ratioBits + uint32(to)/2) / uint32(to),
		round: roundUp,
	}
	r.floor = uint32(math.Ceil(deadZone*float64(to)/float64(from))) << 7
	return r
}

// tokens are a frame's symbols and the bits behind them, and how often each symbol occurs. A token is
//
//	bits<<10 | table<<8 | symbol
//
// with table as 2*kind + class. Symbols are those of F.1.2: run<<4 | size.
type tokens struct {
	list []uint32
	freq [4][256]uint32
}

// start forgets everything.
func (t *tokens) start() {
	t.list = t.list[:0]
	t.freq = [4][256]uint32{}
}

// plan is how the coefficients of a frame become tokens.
type plan struct {
	ratios [3][64]ratio
	steps  [3][2]int32 // of DC: old and new
	kind   [3]uint32
}

func (p *plan) set(i int, kind int, from, to *[64]uint8) {
	for k := range 64 {
		p.ratios[i][k] = makeRatio(from[k], to[k])
	}
	p.steps[i] = [2]int32{int32(from[0]), int32(to[0])}
	p.kind[i] = uint32(kind)
}

// quantiseDC rounds to the nearest: an error of DC is seen as a block.
func (p *plan) quantiseDC(component int, dc int32) int32 {
	from, to := p.steps[component][0], p.steps[component][1]
	if from == to {
		return dc
	}
	half := to / 2
	if dc < 0 {
		half = -half
	}
	return (dc*from + half) / to
}

// run appends the tokens of words, which are whole MCUs.
func (t *tokens) run(p *plan, g *geometry, words []uint32, pred *[3]int32) {
	for len(words) > 0 {
		for _, c := range g.blocks[:g.perMCU] {
			w := words[0]
			n := w & 0xFFFF
			dc := p.quantiseDC(c, int32(w)>>16)
			t.block(&p.ratios[c], 2*p.kind[c], dc-pred[c], words[1:1+n])
			pred[c] = dc
			words = words[1+n:]
		}
	}
}

// block appends the tokens of a block.
func (t *tokens) block(ratios *[64]ratio, table uint32, diff int32, words []uint32) {
	const most = 128 // more than a DC, 63 values, three ZRL and an EOB
	if cap(t.list)-len(t.list) < most {
		t.list = slices.Grow(t.list, most)
	}
	begin := len(t.list)
	out := (*[most]uint32)(t.list[begin : begin+most])

	sign := diff >> 31
	size := uint32(bits.Len32(uint32((diff ^ sign) - sign)))
	out[0] = uint32(diff+sign)&(1<<size-1)<<10 | table<<8 | size
	t.freq[table&3][size&0xFF]++

	freq := &t.freq[(table+1)&3]
	table = (table + 1) << 8
	last, n := uint32(0), uint(1)
	for _, w := range words {
		k := w & 63
		r := &ratios[k]
		if w < r.floor {
			continue
		}
		m := (w>>7*r.recip + r.round) >> ratioBits
		run := k - last - 1
		last = k
		for ; run > 15; run -= 16 {
			out[n&(most-1)] = table | 0xF0
			n++
			freq[0xF0]++
		}
		size := uint32(bits.Len32(m))
		low := (m ^ -(w >> 6 & 1)) & (1<<size - 1)
		symbol := run<<4 | size
		out[n&(most-1)] = low<<10 | table | symbol
		n++
		freq[symbol&0xFF]++
	}
	if last < 63 {
		out[n&(most-1)] = table
		n++
		freq[0]++
	}
	t.list = t.list[:begin+int(n)]
}
