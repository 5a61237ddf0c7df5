package mjpeg

import (
	"fmt"
	"math"
)

// Scale is the coarseness of a requantised frame, 0 to MaxScale. At 0 the frame
// is unchanged. Adding 16 doubles the quantisation steps. At 80 the steps are
// those of the standard's tables (quality 50 of the IJG library), or all
// shrunkStep after Shrink. A step never becomes finer than in the source: a
// frame of quality 80 is unchanged up to 59.
type Scale int

// MaxScale is the coarsest scale, about quality 6 of the IJG library. It
// shrinks most frames to between 1/8 and 1/15. From 112 to 120 on, the result
// of Shrink looks better at the same size, and can be as small as 1/60.
const MaxScale Scale = 128

// MaxShrunkScale is the coarsest scale of AppendWithin after Shrink. Beyond it,
// fewer frames are better than coarser ones: hardly more than the mean of each
// block is left.
const MaxShrunkScale Scale = 112

// factor returns the factor for the standard's tables.
func (s Scale) factor() float64 { return math.Exp2(float64(s-80) / 16) }

// Quality returns the IJG library's quality, 1 to 100, with the steps of s.
func (s Scale) Quality() int {
	if f := s.factor(); f > 1 {
		return int(50/f + 0.5)
	} else {
		return int(100 - 50*f + 0.5)
	}
}

// maxDCStep limits the DC step. Steps of more than eight grey levels show as
// blocks on smooth slopes, and finer ones cost little.
const maxDCStep = 60

// shrunkStep is the step of all frequencies at scale 80 after Shrink. Enlarged
// to the source's size, all frequencies of the frame are low ones there: the
// standard's tables would drop them. On photos at 1 Mbit/s equal steps give 0.3
// dB more. Luma and chroma then share one table.
const shrunkStep = 16

// quantTable returns the steps of scale s in zigzag order. have are the
// source's; kind is 0 for luma and 1 for chroma.
func (s Scale) quantTable(have *[64]uint8, kind int, shrunk bool) (steps [64]uint8) {
	if s <= 0 {
		return *have
	}
	f := s.factor()
	for i, z := range zigzag {
		base := baseQuant[kind][i]
		if shrunk {
			base = shrunkStep
		}
		steps[z] = max(have[z], uint8(min(float64(base)*f+0.5, 255)))
	}
	steps[0] = max(have[0], min(steps[0], maxDCStep))
	return steps
}

// Requantiser shrinks baseline frames without decoding them to pixels. It
// decodes the Huffman codes, requantises the coefficients, and encodes them
// with Huffman tables optimised for the frame.
//
// It is for one goroutine at a time. It keeps its memory, so it allocates only
// for a frame larger than all before.
type Requantiser struct {
	header   header
	coefs    coefficients
	geometry geometry     // of the output
	srcSteps [3][64]uint8 // of coefs, by component
	dstSteps [3][64]uint8 // of the output, by component
	params   requantParams
	tokens   tokens
	tables   [4]codeTable
	codes    [4 * 256]uint32

	shrunk bool // Shrink was called
	shrink shrinker

	tokenised      Scale             // tokens and tables are complete for it; -1: for none
	estimates      [MaxScale + 1]int // of findScale, in bytes; 0: none
	finerRatio     float64           // how much longer a frame is at lastScale-1; 0: unknown
	lastScale      Scale             // where AppendWithin looks first
	sizeCorrection float64           // what a whole frame takes, over what the sample says
}

// Load decodes the frame src; info is Check's result for it. After an error no
// frame is loaded. The errors are those of Check. ErrUnsupported is also
// returned for progressive frames, several scans, quantisation steps above 255,
// and two or four components.
func (r *Requantiser) Load(src []byte, info Info) error {
	b := src[:min(info.End, len(src))]
	r.geometry.n, r.tokenised, r.shrunk = 0, -1, false
	if err := r.header.parse(b); err != nil {
		return err
	}
	if err := r.loadSteps(); err != nil {
		return err
	}
	if err := r.coefs.decode(&r.header, b); err != nil {
		return err
	}
	r.geometry = r.header.geometry
	r.tokens.unpredictable = len(r.coefs.words) > predictableWords
	return nil
}

// loadSteps loads the quantisation steps. It returns ErrUnsupported for frames
// that cannot be requantised.
func (r *Requantiser) loadSteps() error {
	h := &r.header
	if h.n == 4 || !h.singleScan() {
		return fmt.Errorf("%w: four components, or several scans", ErrUnsupported)
	}
	for i, c := range h.comps[:h.n] {
		for k, step := range h.steps[c.quant] {
			if step > 255 {
				return fmt.Errorf("%w: quantisation step %d", ErrUnsupported, step)
			}
			r.srcSteps[i][k] = uint8(step)
		}
	}
	return nil
}

// Size returns the output's size in pixels.
func (r *Requantiser) Size() (width, height int) { return r.geometry.width, r.geometry.height }

// Append appends the loaded frame at scale s to dst, or nothing if none is
// loaded. It omits restart markers, and application segments and comments of
// more than 256 bytes.
func (r *Requantiser) Append(dst []byte, s Scale) []byte {
	if r.geometry.n == 0 {
		return dst
	}
	s = min(max(s, 0), MaxScale)
	if r.tokenised != s {
		r.setScale(s)
		r.tokenise()
		r.tokenised = s
	}
	return r.appendFrame(dst)
}

func quantKind(component int) int { return min(component, 1) }

// tablePairs returns the number of pairs of Huffman tables: one for luma, and
// one for chroma unless the frame is grey.
func (r *Requantiser) tablePairs() int { return min(r.geometry.n, 2) }

// setScale sets the output's steps to scale s.
func (r *Requantiser) setScale(s Scale) {
	r.tokenised = -1
	for i := range r.geometry.n {
		r.dstSteps[i] = s.quantTable(&r.srcSteps[i], quantKind(i), r.shrunk)
		r.params.set(i, quantKind(i), &r.srcSteps[i], &r.dstSteps[i])
	}
}

// tokenise generates the tokens and Huffman tables of the frame. It returns the
// length of the entropy-coded data in bits.
func (r *Requantiser) tokenise() int {
	r.tokens.reset()
	var pred [3]int32
	r.tokens.appendWords(&r.params, &r.geometry, r.coefs.words, &pred)
	return r.buildTables()
}

// buildTables builds the Huffman tables of the tokens. It returns the length of
// the entropy-coded data in bits.
func (r *Requantiser) buildTables() (bits int) {
	for i := range 2 * r.tablePairs() {
		r.tables[i].build(&r.tokens.freq[i])
		bits += r.tables[i].cost(&r.tokens.freq[i])
	}
	return bits
}
