package mjpeg

import "math"

// Scale is how coarse a requantised frame is, 0 to MaxScale. At 0 it is the frame as it came; 16 more doubles the
// quantisation steps. The steps at 80 are those of the standard's example tables (quality 50 of the IJG library), and a step
// is never made finer than it came: a frame of quality 80 stays the same up to 59.
type Scale int

// MaxScale is the coarsest scale: about quality 6 of the IJG library. It makes an eighth to a fifteenth of most frames. From
// 112 to 120 on, the frame that Halve makes looks better at the same size, and takes as little as a fortieth.
const MaxScale Scale = 128

// factor is what the example tables are multiplied with.
func (s Scale) factor() float64 { return math.Exp2(float64(s-80) / 16) }

// Quality says which quality of the IJG library, 1 to 100, has the steps that s aims at.
func (s Scale) Quality() int {
	if f := s.factor(); f > 1 {
		return int(50/f + 0.5)
	} else {
		return int(100 - 50*f + 0.5)
	}
}

// maxDCStep keeps smooth slopes from falling into blocks: eight grey levels show, and finer steps of DC cost little.
const maxDCStep = 60

// target makes the steps of scale s, in zigzag order, from those that a component has; kind is 0 for luma, 1 for chroma.
func (s Scale) target(have *[64]uint8, kind int) (steps [64]uint8) {
	if s <= 0 {
		return *have
	}
	f := s.factor()
	for i, z := range zigzag {
		steps[z] = max(have[z], uint8(min(float64(baseQuant[kind][i])*f+0.5, 255)))
	}
	steps[0] = max(have[0], min(steps[0], maxDCStep))
	return steps
}

// Requantiser makes smaller frames of baseline JPEG frames without decoding them to pixels: it decodes their Huffman
// codes, quantises the coefficients more coarsely, and codes them again with Huffman tables made for the frame.
//
// It is for one goroutine at a time. Its memory grows with the largest frame it has seen, and then nothing is allocated
// any more.
type Requantiser struct {
	head   header
	coef   coefficients
	shape  geometry     // of the frame that is made
	from   [3][64]uint8 // the steps of coef, by component
	steps  [3][64]uint8 // of the frame that is made
	plan   plan
	tokens tokens
	tables [4]codeTable
	codes  [4 * 256]uint32

	half   coefficients // what Halve makes; it changes places with coef
	places []int32      // what Halve works with

	last Scale   // where AppendWithin looks first
	bias float64 // what a whole frame takes, over what the sample says
}

// Load decodes the frame src, of which Check said info. After an error there is no picture loaded. The errors are those of
// Check; ErrUnsupported also says that it is progressive, or has several scans, 16-bit quantisation steps, or two or four
// components.
func (r *Requantiser) Load(src []byte, info Info) error {
	b := src[:min(info.End, len(src))]
	r.shape.n = 0
	if err := r.head.parse(b); err != nil {
		return err
	}
	if err := r.coef.decode(&r.head, b); err != nil {
		return err
	}
	r.shape = r.head.geometry
	for i, c := range r.shape.comps[:r.shape.n] {
		r.from[i] = r.head.steps[c.quant]
	}
	return nil
}

// Size returns the size in pixels of the frame that Append makes.
func (r *Requantiser) Size() (width, height int) { return r.shape.width, r.shape.height }

// Append appends the loaded frame at scale s to dst; nothing if none is loaded. Restart markers are left out, and
// application segments and comments of more than 256 bytes.
func (r *Requantiser) Append(dst []byte, s Scale) []byte {
	if r.shape.n == 0 {
		return dst
	}
	r.aim(s)
	r.count()
	return r.write(dst)
}

func kindOf(component int) int { return min(component, 1) }

// kinds is how many pairs of Huffman tables the frame has: luma's, and chroma's unless it is grey.
func (r *Requantiser) kinds() int { return min(r.shape.n, 2) }

// aim makes the plan for scale s.
func (r *Requantiser) aim(s Scale) {
	s = min(max(s, 0), MaxScale)
	for i := range r.shape.n {
		r.steps[i] = s.target(&r.from[i], kindOf(i))
		r.plan.set(i, kindOf(i), &r.from[i], &r.steps[i])
	}
}

// count makes the tokens of the whole frame, and returns how many bits of data they will be.
func (r *Requantiser) count() int {
	r.tokens.start()
	var pred [3]int32
	r.tokens.run(&r.plan, &r.shape, r.coef.words, &pred)
	return r.makeTables()
}

// makeTables makes the Huffman tables for the tokens and returns how many bits these will be.
func (r *Requantiser) makeTables() (bits int) {
	for i := range 2 * r.kinds() {
		r.tables[i].make(&r.tokens.freq[i])
		bits += r.tables[i].cost(&r.tokens.freq[i])
	}
	return bits
}
