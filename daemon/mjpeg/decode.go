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
	// Deblock softens the edges between the blocks of coarsely quantised frames
	// at full size. It does not change finer ones.
	Deblock bool

	header     header
	acDecoders [4]acDecoder
	comps      [4]componentPlane
	blockPos   [10]blockPos
	memory     []byte
	resampled  []byte // memory for resample
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
// Frames of red, green and blue, or of cyan, magenta, yellow and black, are
// converted. So are sampling factors that Planes cannot express.
//
// ErrTruncated comes with planes: from the damage to the next restart marker
// they have the colour of the last good block, and grey if there was none. All
// other errors come without planes. They are those of Check. ErrUnsupported is
// also returned for progressive frames, two components, a subsampling of 3 to 2
// or 4 to 3, and more than MaxDecoded samples. ErrTooSmall is also returned if
// almost all data are missing.
func (d *Decoder) Decode(b []byte, scale int) (*Planes, error) {
	if scale != 1 && scale != 2 && scale != 4 && scale != 8 {
		return nil, fmt.Errorf("%w: at 1/%d", ErrUnsupported, scale)
	}
	if err := d.header.parse(b); err != nil {
		return nil, err
	}
	size := 8 / scale
	if err := d.allocPlanes(len(b), size); err != nil {
		return nil, err
	}
	missing, total := d.decodeScans(b, size)
	if d.Deblock && size == 8 {
		d.deblock()
	}
	d.convertColors()
	if missing > 0 {
		return &d.planes, fmt.Errorf("%w: %d of %d MCUs", ErrTruncated, missing, total)
	}
	return &d.planes, nil
}

// decodeScans decodes all scans to the components' planes.
func (d *Decoder) decodeScans(b []byte, size int) (missing, total int) {
	h := &d.header
	if !h.singleScan() {
		for i := range h.n {
			fillGrey(d.comps[i].samples) // a scan may never come
		}
	}
	for {
		d.startScan(size)
		s := scan{Decoder: d, r: bitReader{b: b, pos: h.data}, size: size}
		missing += s.decode()
		total += h.scan.across * h.scan.down
		if h.pending == 0 {
			return missing, total
		}
		if err := h.nextScan(b, s.r.pos); err != nil {
			return missing + h.across*h.down, total + h.across*h.down
		}
	}
}

func fillGrey(samples []byte) {
	for i := range samples {
		samples[i] = 128
	}
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
	scale := 8 / size
	d.planes = Planes{W: (g.width + scale - 1) / scale, H: (g.height + scale - 1) / scale, SubX: subX, SubY: subY}
	p := &d.planes
	mcus, perMCU := int64(g.across)*int64(g.down), int64(0)
	for _, c := range g.comps[:g.n] {
		perMCU += int64(c.h * c.v)
	}
	if mcus*perMCU*2 > int64(frameLen)*8*maxLossRatio {
		return fmt.Errorf("%w: %dx%d in %d bytes", ErrTooSmall, g.width, g.height, frameLen)
	}
	samples := mcus * perMCU * int64(size*size)
	if d.needsResampling() {
		samples = max(samples, int64(g.n)*int64(p.W)*int64(p.H))
	}
	if samples > MaxDecoded {
		return fmt.Errorf("%w: %dx%d pixels", ErrUnsupported, g.width, g.height)
	}
	need := int(mcus*perMCU) * size * size
	d.memory = slices.Grow(d.memory[:0], need)[:need]
	memory := d.memory
	for i := range g.n {
		c, t := &g.comps[i], &d.comps[i]
		t.mcuWidth, t.mcuHeight = c.h*size, c.v*size
		t.stride = g.across * t.mcuWidth
		n := t.stride * g.down * t.mcuHeight
		t.samples, memory = memory[:n:n], memory[n:]
	}
	p.Y, p.YStride = d.comps[0].samples, d.comps[0].stride
	if g.n >= 3 {
		p.Cb, p.Cr, p.CStride = d.comps[1].samples, d.comps[2].samples, d.comps[1].stride
	}
	return nil
}

// startScan prepares the tables and output positions of the current scan.
func (d *Decoder) startScan(size int) {
	h := &d.header
	for next := 0; next < h.scan.perMCU; {
		i := h.scan.blocks[next]
		c, t := &h.comps[i], &d.comps[i]
		steps := &h.steps[c.quant]
		t.dcStep, t.pred = int32(steps[0]), 0
		t.lastSlot = setSlots(&t.slots, steps, size)
		d.acDecoders[c.ac].set(&h.ac[c.ac], size > 1, size < 8)
		across, blocks := c.h, c.h*c.v
		if h.scan.perMCU == 1 { // not interleaved
			across, blocks = 1, 1
		}
		t.mcuWidth, t.mcuHeight = across*size, blocks/across*size
		for j := range blocks {
			d.blockPos[next] = blockPos{i, j/across*size*t.stride + j%across*size}
			next++
		}
	}
}

// subsampling returns the number of pixels per chroma sample.
func subsampling(g *geometry) (x, y int, err error) {
	for _, c := range g.comps[:g.n] {
		if g.hmax%c.h != 0 || g.vmax%c.v != 0 {
			return 0, 0, fmt.Errorf("%w: sampling factors %dx%d of %dx%d", ErrUnsupported, c.h, c.v, g.hmax, g.vmax)
		}
	}
	if g.n == 1 {
		return 1, 1, nil
	}
	return g.hmax / g.comps[1].h, g.vmax / g.comps[1].v, nil
}
