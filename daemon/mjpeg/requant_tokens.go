package mjpeg

import (
	"math"
	"math/bits"
	"slices"
)

// stepRatio converts a magnitude from old to new steps: 0 below floor, else
// (magnitude*recip + round) >> ratioBits.
type stepRatio struct {
	floor uint32 // <<7, as in the words of coefficients
	recip uint32
	round uint32
}

// ratioBits is the number of fraction bits of recip. A product with a magnitude
// of ten bits stays below 2^31.
const ratioBits = 20

// Rounding thresholds, in new steps. Magnitudes below deadZone become 0. Others
// are rounded up from 1 - roundUp. Coefficients are more often small than
// large, and small ones cost more bits than they improve the frame. On photos,
// text and noise at 1/2 to 1/10 of the size, 0.63 and 0.4 give 0.2 to 0.4 dB
// more at the same size than 0.5 and 0.5. Larger values blur.
const (
	deadZone = 0.63
	roundUp  = 1 << ratioBits * 4 / 10
)

func newStepRatio(from, to uint8) stepRatio {
	if from == to {
		return stepRatio{floor: 1 << 7, recip: 1 << ratioBits}
	}
	r := stepRatio{
		recip: (uint32(from)<<ratioBits + uint32(to)/2) / uint32(to),
		round: roundUp,
	}
	r.floor = uint32(math.Ceil(deadZone*float64(to)/float64(from))) << 7
	return r
}

// tokens are a frame's symbols with their magnitude bits, and the symbols'
// frequencies. A token is
//
//	bits<<10 | table<<8 | symbol
//
// with table as 2*kind + class. Symbols are those of F.1.2: run<<4 | size.
type tokens struct {
	tokens []uint32
	// unpredictable is set for frames with more values than the processor's
	// branch prediction remembers while the scene stays.
	unpredictable bool
	freq          [4][256]uint32
}

// reset removes all tokens.
func (t *tokens) reset() {
	t.tokens = t.tokens[:0]
	t.freq = [4][256]uint32{}
}

// requantParams convert a frame's coefficients to tokens.
type requantParams struct {
	ratios [3][64]stepRatio
	steps  [3][2]int32 // DC steps: old, new
	kinds  [3]uint32
}

func (p *requantParams) set(i int, kind int, from, to *[64]uint8) {
	for k := range 64 {
		p.ratios[i][k] = newStepRatio(from[k], to[k])
	}
	p.steps[i] = [2]int32{int32(from[0]), int32(to[0])}
	p.kinds[i] = uint32(kind)
}

// quantiseDC rounds to nearest. DC errors are visible as blocks.
func (p *requantParams) quantiseDC(component int, dc int32) int32 {
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

// appendWords appends the tokens of words, which are whole MCUs.
func (t *tokens) appendWords(p *requantParams, g *geometry, words []uint32, pred *[3]int32) {
	for len(words) > 0 {
		for _, c := range g.blocks[:g.perMCU] {
			w := words[0]
			n := w & 0xFFFF
			dc := p.quantiseDC(c, int32(w)>>16)
			t.appendBlock(&p.ratios[c], 2*p.kinds[c], dc-pred[c], words[1:1+n])
			pred[c] = dc
			words = words[1+n:]
		}
	}
}

// appendBlock appends the tokens of a block.
func (t *tokens) appendBlock(ratios *[64]stepRatio, table uint32, diff int32, words []uint32) {
	if cap(t.tokens)-len(t.tokens) < maxTokens {
		t.tokens = slices.Grow(t.tokens, maxTokens)
	}
	begin := len(t.tokens)
	out := (*[maxTokens]uint32)(t.tokens[begin : begin+maxTokens])

	sign := diff >> 31
	size := uint32(bits.Len32(uint32((diff ^ sign) - sign)))
	out[0] = uint32(diff+sign)&(1<<size-1)<<10 | table<<8 | size
	t.freq[table&3][size&0xFF]++

	freq := &t.freq[(table+1)&3]
	table = (table + 1) << 8
	n, last := uint(1), uint32(0)
	if t.unpredictable && len(words) >= denseBlock {
		n, last = denseTokens(out, freq, ratios, table, words)
		words = nil
	}
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
			out[n&(maxTokens-1)] = table | 0xF0
			n++
			freq[0xF0]++
		}
		size := uint32(bits.Len32(m))
		low := (m ^ -(w >> 6 & 1)) & (1<<size - 1)
		symbol := run<<4 | size
		out[n&(maxTokens-1)] = low<<10 | table | symbol
		n++
		freq[symbol&0xFF]++
	}
	if last < 63 {
		out[n&(maxTokens-1)] = table
		n++
		freq[0]++
	}
	t.tokens = t.tokens[:begin+int(n)]
}

// maxTokens is at least a DC, 63 values, three ZRL and an EOB.
const maxTokens = 128

const (
	// denseBlock is the number of values from which denseTokens is faster, in
	// frames of more than predictableWords words.
	denseBlock       = 28
	predictableWords = 1 << 16
)

// denseTokens writes the tokens of AC values from out[1] on. It returns their
// end and the zigzag index of the last one. It has no branch for values that
// become 0: in a dense block the processor cannot predict it. Such a token is
// overwritten by the next one.
func denseTokens(out *[maxTokens]uint32, freq *[256]uint32, ratios *[64]stepRatio, table uint32, words []uint32) (
	n uint, last uint32) {
	n = 1
	for _, w := range words {
		k := w & 63
		r := &ratios[k]
		keep := (w-r.floor)>>31 ^ 1
		m := (w>>7*r.recip + r.round) >> ratioBits
		run := k - last - 1
		if run > 15 {
			if keep == 0 {
				continue
			}
			for ; run > 15; run -= 16 {
				out[n&(maxTokens-1)] = table | 0xF0
				n++
				freq[0xF0]++
			}
		}
		size := uint32(bits.Len32(m))
		low := (m ^ -(w >> 6 & 1)) & (1<<size - 1)
		symbol := run<<4 | size
		out[n&(maxTokens-1)] = low<<10 | table | symbol
		n += uint(keep)
		freq[symbol&0xFF] += keep
		last += (k - last) & -keep
	}
	return n, last
}
