package mjpeg

import (
	"errors"
	"fmt"
	"slices"
)

// ErrTruncated reports that a part of the frame is missing or damaged.
var ErrTruncated = errors.New("a part of the JPEG frame is missing")

// MaxDecoded is the largest number of samples that Decode produces: 8192x8192
// in 4:2:0, Y, Cb and Cr together.
const MaxDecoded = 8192 * 8192 * 3 / 2

// Planes is a decoded frame in full-range BT.601, as in JFIF.
type Planes struct {
	W, H             int    // pixels, 1..65535
	Y, Cb, Cr        []byte // Cb and Cr are nil in a grey frame
	YStride, CStride int    // bytes from one row to the next
	SubX, SubY       int    // pixels per chroma sample across and down: 1, 2 or 4; 1 in a grey frame
}

// Decoder decodes baseline frames, and extended sequential ones of 8 bits, at
// full or reduced size. The zero value is ready to use.
//
// It is for one goroutine at a time. It keeps its memory, so it allocates only
// for a frame larger than all before.
type Decoder struct {
	header     header
	acDecoders [4]acDecoder
	comps      [3]componentPlane
	blockPos   [10]blockPos
	memory     []byte
	planes     Planes
	block      [32]int64
}

// componentPlane is the output of one component.
type componentPlane struct {
	slots     [64]coefSlot
	lastSlot  uint32 // the last coefficient used at this size, 0..63
	dcStep    int32  // of DC
	samples   []byte
	stride    int
	mcuWidth  int // samples per MCU
	mcuHeight int
	pred      int32
}

// blockPos is the output position of one block of an MCU.
type blockPos struct {
	comp   int
	offset int // in the component's samples, from the MCU's first one
}

// Decode decodes the frame at the start of b at 1/scale of its size in each
// direction, rounded up. scale is 1, 2, 4 or 8; a smaller frame takes less
// time. The planes are valid until the next call.
//
// ErrTruncated comes with planes: from the damage to the next restart marker
// they have the colour of the last good block, and grey if there was none. All
// other errors come without planes. They are those of Check. ErrUnsupported is
// also returned for progressive frames, several scans, quantisation steps above
// 255, two or four components, chroma subsampling other than 1, 2 or 4, and
// more than MaxDecoded samples. ErrTooSmall is also returned if almost all data
// are missing.
func (d *Decoder) Decode(b []byte, scale int) (*Planes, error) {
	if scale != 1 && scale != 2 && scale != 4 && scale != 8 {
		return nil, fmt.Errorf("%w: at 1/%d", ErrUnsupported, scale)
	}
	if err := d.header.parse(b); err != nil {
		return nil, err
	}
	if err := d.allocPlanes(len(b), 8/scale); err != nil {
		return nil, err
	}
	s := scan{Decoder: d, r: bitReader{b: b, pos: d.header.data}, size: 8 / scale}
	missing := s.decode()
	if d.header.rgb() {
		d.planes.fromRGB()
	}
	if missing > 0 {
		return &d.planes, fmt.Errorf("%w: %d of %d MCUs", ErrTruncated, missing, d.header.across*d.header.down)
	}
	return &d.planes, nil
}

// maxLossRatio limits the claimed size by the number of bytes: a block has at
// least two bits, and one in maxLossRatio must be present. A few bytes that
// claim a huge frame then cost nothing, while truncated frames still decode.
const maxLossRatio = 8

// allocPlanes allocates the planes. frameLen is the frame's length in bytes; a
// block becomes size by size samples.
func (d *Decoder) allocPlanes(frameLen, size int) error {
	g := &d.header.geometry
	subX, subY, err := subsampling(g)
	if err != nil {
		return err
	}
	if subX*subY > 1 && d.header.rgb() {
		return fmt.Errorf("%w: red, green and blue of different sizes", ErrUnsupported)
	}
	mcus := int64(g.across) * int64(g.down)
	if mcus*int64(g.perMCU)*2 > int64(frameLen)*8*maxLossRatio {
		return fmt.Errorf("%w: %dx%d in %d bytes", ErrTooSmall, g.width, g.height, frameLen)
	}
	if mcus*int64(g.perMCU)*int64(size*size) > MaxDecoded {
		return fmt.Errorf("%w: %dx%d pixels", ErrUnsupported, g.width, g.height)
	}
	need := int(mcus) * g.perMCU * size * size
	d.memory = slices.Grow(d.memory[:0], need)[:need]
	memory, nextBlock := d.memory, 0
	for i := range g.n {
		c, t := &g.comps[i], &d.comps[i]
		t.mcuWidth, t.mcuHeight = c.h*size, c.v*size
		t.stride = g.across * t.mcuWidth
		n := t.stride * g.down * t.mcuHeight
		t.samples, memory = memory[:n:n], memory[n:]
		steps := &d.header.steps[c.quant]
		t.dcStep = int32(steps[0])
		t.lastSlot = setSlots(&t.slots, steps, size)
		d.acDecoders[c.ac].set(&d.header.ac[c.ac], size > 1, size < 8)
		for j := range c.h * c.v {
			d.blockPos[nextBlock] = blockPos{i, j/c.h*size*t.stride + j%c.h*size}
			nextBlock++
		}
	}
	scale := 8 / size
	d.planes = Planes{W: (g.width + scale - 1) / scale, H: (g.height + scale - 1) / scale, SubX: subX, SubY: subY}
	p := &d.planes
	p.Y, p.YStride = d.comps[0].samples, d.comps[0].stride
	if g.n == 3 {
		p.Cb, p.Cr, p.CStride = d.comps[1].samples, d.comps[2].samples, d.comps[1].stride
	}
	return nil
}

// fromRGB converts red, green and blue to Y, Cb and Cr of JFIF.
func (p *Planes) fromRGB() {
	const half, middle = 1 << 15, 128<<16 + 1<<15 - 1
	for i := range p.Y {
		r, g, b := int32(p.Y[i]), int32(p.Cb[i]), int32(p.Cr[i])
		p.Y[i] = byte((19595*r + 38470*g + 7471*b + half) >> 16)
		p.Cb[i] = byte((-11059*r - 21709*g + 32768*b + middle) >> 16)
		p.Cr[i] = byte((32768*r - 27439*g - 5329*b + middle) >> 16)
	}
}

// subsampling returns the number of pixels per chroma sample.
func subsampling(g *geometry) (x, y int, err error) {
	a, b, c := &g.comps[0], &g.comps[1], &g.comps[2]
	if g.n == 1 {
		return 1, 1, nil
	}
	x, y = a.h/b.h, a.v/b.v
	if b.h != c.h || b.v != c.v || a.h != x*b.h || a.v != y*b.v || x == 3 || y == 3 {
		return 0, 0, fmt.Errorf("%w: sampling %dx%d, %dx%d, %dx%d", ErrUnsupported, a.h, a.v, b.h, b.v, c.h, c.v)
	}
	return x, y, nil
}
