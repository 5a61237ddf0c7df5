package mjpeg

import (
	"errors"
	"fmt"
	"slices"
)

// ErrTruncated says that a part of the frame is missing: it is cut off, or damaged.
var ErrTruncated = errors.New("a part of the JPEG frame is missing")

// MaxDecoded is how many samples Decode makes of a frame at most, Y, Cb and Cr together: 8192x8192 in 4:2:0.
const MaxDecoded = 8192 * 8192 * 3 / 2

// Planes is a decoded frame: full-range BT.601, as JFIF says.
type Planes struct {
	W, H             int    // pixels, 1..65535
	Y, Cb, Cr        []byte // Cb and Cr are nil in a grey frame
	YStride, CStride int    // bytes from one row to the next
	SubX, SubY       int    // how many pixels across and down have the same Cb and Cr: 1, 2 or 4; 1 in a grey frame
}

// Decoder decodes baseline JPEG frames, and extended sequential ones of 8 bits, at their size or smaller. Its zero value is
// ready.
//
// It is for one goroutine at a time. Its memory grows with the largest frame it has made, and then nothing is allocated any
// more.
type Decoder struct {
	head   header
	ac     [4]acDecoder
	comps  [3]target
	blocks [10]blockTarget
	memory []byte
	planes Planes
	block  [32]int64
}

// target is what a component of the scan becomes.
type target struct {
	places [64]place
	last   uint32 // the last coefficient needed, 0..63
	step   int32  // of DC
	plane  []byte
	stride int
	across int // samples of an MCU
	down   int
	pred   int32
}

// blockTarget is where a block of an MCU goes.
type blockTarget struct {
	comp   int
	offset int // in the component's plane, from the MCU's first sample
}

// Decode decodes the frame b, which may be followed by anything, at 1/scale of its size in each direction, rounded up; scale
// is 1, 2, 4 or 8. A smaller frame takes less time. The planes are valid until the next Decode.
//
// Where the frame is cut off or damaged, the rest up to the next restart marker is of one colour, that of the last good block;
// what never comes is grey. Then there are planes and an error, which is ErrTruncated. Without planes the error is one of
// Check's: ErrUnsupported also says that the frame is progressive, has several scans, quantisation steps above 255, two or four
// components, chroma in another ratio than 1, 2 or 4, or more than MaxDecoded samples. ErrTooSmall says that there is next to
// nothing of a frame.
func (d *Decoder) Decode(b []byte, scale int) (*Planes, error) {
	if scale != 1 && scale != 2 && scale != 4 && scale != 8 {
		return nil, fmt.Errorf("%w: at 1/%d", ErrUnsupported, scale)
	}
	if err := d.head.parse(b); err != nil {
		return nil, err
	}
	if err := d.layOut(len(b), 8/scale); err != nil {
		return nil, err
	}
	s := scan{Decoder: d, r: bitReader{b: b, pos: d.head.data}, size: 8 / scale}
	missing := s.decode()
	if d.head.rgb() {
		d.planes.fromRGB()
	}
	if missing > 0 {
		return &d.planes, fmt.Errorf("%w: %d of %d MCUs", ErrTruncated, missing, d.head.across*d.head.down)
	}
	return &d.planes, nil
}

// minShare is how many times fewer bits a frame may have than a whole one of its size: one that is cut off is to be seen, and a
// few bytes that claim to be a huge frame are to cost nothing. A block has two bits at least.
const minShare = 8

// layOut makes the planes for the frame of bytes bytes, of which head was read. A block becomes size by size samples.
func (d *Decoder) layOut(bytes, size int) error {
	g := &d.head.geometry
	subX, subY, err := subsampling(g)
	if err != nil {
		return err
	}
	if subX*subY > 1 && d.head.rgb() {
		return fmt.Errorf("%w: red, green and blue of different sizes", ErrUnsupported)
	}
	mcus := int64(g.across) * int64(g.down)
	if mcus*int64(g.perMCU)*2 > int64(bytes)*8*minShare {
		return fmt.Errorf("%w: %dx%d in %d bytes", ErrTooSmall, g.width, g.height, bytes)
	}
	if mcus*int64(g.perMCU)*int64(size*size) > MaxDecoded {
		return fmt.Errorf("%w: %dx%d pixels", ErrUnsupported, g.width, g.height)
	}
	need := int(mcus) * g.perMCU * size * size
	d.memory = slices.Grow(d.memory[:0], need)[:need]
	memory, first := d.memory, 0
	for i := range g.n {
		c, t := &g.comps[i], &d.comps[i]
		t.across, t.down = c.h*size, c.v*size
		t.stride = g.across * t.across
		n := t.stride * g.down * t.down
		t.plane, memory = memory[:n:n], memory[n:]
		steps := &d.head.steps[c.quant]
		t.step = int32(steps[0])
		t.last = places(&t.places, steps, size)
		d.ac[c.ac].set(&d.head.ac[c.ac], size > 1, size < 8)
		for j := range c.h * c.v {
			d.blocks[first] = blockTarget{i, j/c.h*size*t.stride + j%c.h*size}
			first++
		}
	}
	scale := 8 / size
	d.planes = Planes{W: (g.width + scale - 1) / scale, H: (g.height + scale - 1) / scale, SubX: subX, SubY: subY}
	p := &d.planes
	p.Y, p.YStride = d.comps[0].plane, d.comps[0].stride
	if g.n == 3 {
		p.Cb, p.Cr, p.CStride = d.comps[1].plane, d.comps[2].plane, d.comps[1].stride
	}
	return nil
}

// fromRGB makes Y, Cb and Cr of red, green and blue, as JFIF has it.
func (p *Planes) fromRGB() {
	const half, middle = 1 << 15, 128<<16 + 1<<15 - 1
	for i := range p.Y {
		r, g, b := int32(p.Y[i]), int32(p.Cb[i]), int32(p.Cr[i])
		p.Y[i] = byte((19595*r + 38470*g + 7471*b + half) >> 16)
		p.Cb[i] = byte((-11059*r - 21709*g + 32768*b + middle) >> 16)
		p.Cr[i] = byte((32768*r - 27439*g - 5329*b + middle) >> 16)
	}
}

// subsampling says how many samples of the first component are to one of the others.
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
