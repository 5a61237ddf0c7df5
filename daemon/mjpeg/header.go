package mjpeg

import (
	"bytes"
	"fmt"
	"slices"
)

// component is one of a frame's planes, B.2.2 and B.2.3.
type component struct {
	id     byte
	h, v   int  // blocks of an MCU
	quant  int  // which quantisation table
	dc, ac byte // which Huffman tables
}

// geometry is how a frame is made of blocks.
type geometry struct {
	width, height int
	comps         [3]component
	n             int     // how many components: 1 or 3
	across, down  int     // MCUs
	blocks        [10]int // the component of each block of an MCU
	perMCU        int     // how many those are
}

// resize sets the size in pixels, and with it how many MCUs there are.
func (g *geometry) resize(width, height int) {
	h, v := 1, 1
	for _, c := range g.comps[:g.n] {
		h, v = max(h, c.h), max(v, c.v)
	}
	g.width, g.height = width, height
	g.across = (width + 8*h - 1) / (8 * h)
	g.down = (height + 8*v - 1) / (8 * v)
}

// header is what stands before the scan of a sequential frame with a single scan, and is needed to decode it.
type header struct {
	geometry
	interval  int // MCUs between restart markers, 0: there are none
	steps     [4][64]uint8
	haveSteps [4]bool
	dc, ac    [4]huffDecoder
	haveCodes [2][4]bool
	data      int    // where the entropy-coded data begin
	keep      []byte // the application segments and comments that a copy of the frame needs
}

// keptLen is the longest application segment or comment that is kept: JFIF, Adobe, EXIF's orientation. Some cameras put a
// thumbnail, or a whole second stream in H.264, into such segments.
const keptLen = 256

// parse reads everything before b's first scan, and that scan's header. b is at most one frame. The errors are those of Check.
//
// A frame without Huffman tables gets the standard ones, as one of a UVC camera. Refused as ErrUnsupported: progressive
// ones, several scans, two or four components, quantisation steps above 255 (which no camera needs).
func (h *header) parse(b []byte) error {
	h.n, h.interval, h.keep = 0, 0, h.keep[:0]
	h.haveSteps, h.haveCodes = [4]bool{}, [2][4]bool{}
	if len(b) < 2 || b[0] != 0xFF || b[1] != mSOI {
		return ErrNoStart
	}
	for pos := 2; ; {
		if len(b)-pos < 4 {
			return fmt.Errorf("%w after %d bytes", ErrNoEnd, len(b))
		}
		m := b[pos+1]
		if b[pos] == 0xFF && m == 0xFF { // fill, B.1.1.2
			pos++
			continue
		}
		end := pos + 2 + int(b[pos+2])<<8 + int(b[pos+3])
		if b[pos] != 0xFF || !hasLength(m) || end < pos+4 {
			return fmt.Errorf("%w: no segment, at byte %d", ErrMarker, pos)
		}
		if end > len(b) {
			return fmt.Errorf("%w after %d bytes", ErrNoEnd, len(b))
		}
		if err := h.segment(m, b[pos:end]); err != nil {
			return fmt.Errorf("%w, at byte %d", err, pos)
		}
		pos = end
		if m == mSOS {
			h.data = pos
			return nil
		}
	}
}

func (h *header) segment(m byte, segment []byte) error {
	body := segment[4:]
	switch {
	case m == mDQT:
		return h.quantTables(body)
	case m == mDHT:
		return h.huffmanTables(body)
	case m == mDRI:
		if len(body) != 2 {
			return fmt.Errorf("%w: a restart interval of %d bytes", ErrMarker, len(body))
		}
		h.interval = int(body[0])<<8 | int(body[1])
	case m == mSOF0 || m == mSOF1:
		return h.frame(body)
	case m > mSOF1 && m < mRST0 || m == mDNL:
		return fmt.Errorf("%w: marker %02X", ErrUnsupported, m)
	case m == mSOS:
		return h.scan(body)
	case m >= mAPP0 && len(segment) <= keptLen && len(h.keep) <= 4*keptLen:
		h.keep = append(h.keep, segment...)
	}
	return nil
}

// quantTables reads DQT, B.2.4.1.
func (h *header) quantTables(b []byte) error {
	for len(b) > 0 {
		wide, t := int(b[0]>>4), int(b[0]&15)
		n := 1 + 64<<min(wide, 1)
		if wide > 1 || t > 3 || len(b) < n {
			return fmt.Errorf("%w: an impossible quantisation table", ErrMarker)
		}
		for i := range 64 {
			step := int(b[1+i<<wide])
			if wide == 1 {
				step = step<<8 | int(b[2+i<<1])
			}
			if step == 0 {
				return fmt.Errorf("%w: a quantisation step of 0", ErrMarker)
			}
			if step > 255 {
				return fmt.Errorf("%w: a quantisation step of %d", ErrUnsupported, step)
			}
			h.steps[t][i] = uint8(step)
		}
		h.haveSteps[t] = true
		b = b[n:]
	}
	return nil
}

// huffmanTables reads DHT, B.2.4.2.
func (h *header) huffmanTables(b []byte) error {
	for len(b) > 0 {
		n := 17
		for _, c := range b[1:min(n, len(b))] {
			n += int(c)
		}
		class, t := b[0]>>4, b[0]&15
		if class > 1 || t > 3 || len(b) < n || n > 17+256 {
			return fmt.Errorf("%w: an impossible Huffman table", ErrMarker)
		}
		if !h.setCodes(class, t, b[1:n]) {
			return fmt.Errorf("%w: an impossible Huffman table", ErrMarker)
		}
		b = b[n:]
	}
	return nil
}

func (h *header) setCodes(class, t byte, raw []byte) bool {
	h.haveCodes[class][t] = true
	if class == 0 {
		return h.dc[t].set(raw, maxDCBits)
	}
	return h.ac[t].set(raw, maxACBits)
}

// standardRaw are the standard tables, in the order of standardHuffman, as DHT carries them behind Tc and Th.
var standardRaw = func() (raw [4][]byte) {
	for i, s := range standardHuffman {
		raw[i] = slices.Concat(s.counts[:], s.values)
	}
	return raw
}()

// needCodes sees that there is Huffman table t; the standard ones need not be in the frame.
func (h *header) needCodes(class, t byte) bool {
	return t < 4 && (h.haveCodes[class][t] || t < 2 && h.setCodes(class, t, standardRaw[2*t+class]))
}

// frame reads SOF, B.2.2.
func (h *header) frame(b []byte) error {
	if h.n != 0 {
		return fmt.Errorf("%w: a second frame header", ErrMarker)
	}
	if len(b) < 6 || len(b) != 6+3*int(b[5]) {
		return fmt.Errorf("%w: it has the wrong length", ErrNoFrameHeader)
	}
	if b[0] != 8 || b[5] != 1 && b[5] != 3 {
		return fmt.Errorf("%w: %d bits a sample, %d components", ErrUnsupported, b[0], b[5])
	}
	height, width := int(b[1])<<8|int(b[2]), int(b[3])<<8|int(b[4])
	if width == 0 || height == 0 {
		return fmt.Errorf("%w: %dx%d", ErrNoFrameHeader, width, height)
	}
	h.n, h.perMCU = int(b[5]), 0
	for i := range h.n {
		c := component{id: b[6+3*i], h: int(b[7+3*i] >> 4), v: int(b[7+3*i] & 15), quant: int(b[8+3*i])}
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.quant > 3 {
			return fmt.Errorf("%w: impossible sampling factors", ErrNoFrameHeader)
		}
		if h.n == 1 {
			c.h, c.v = 1, 1 // a scan of one component has its blocks one by one, whatever the factors, A.2.2
		}
		if h.perMCU+c.h*c.v > len(h.blocks) { // B.2.3
			return fmt.Errorf("%w: too many blocks in an MCU", ErrMarker)
		}
		h.comps[i] = c
		for range c.h * c.v {
			h.blocks[h.perMCU] = i
			h.perMCU++
		}
	}
	h.resize(width, height)
	return nil
}

// scan reads SOS, B.2.3.
func (h *header) scan(b []byte) error {
	if h.n == 0 {
		return fmt.Errorf("%w: a scan comes first", ErrNoFrameHeader)
	}
	if len(b) < 1 || len(b) != 4+2*int(b[0]) {
		return fmt.Errorf("%w: a damaged scan header", ErrMarker)
	}
	if int(b[0]) != h.n {
		return fmt.Errorf("%w: more than one scan", ErrUnsupported)
	}
	if tail := b[1+2*h.n:]; tail[0] != 0 || tail[1] != 63 || tail[2] != 0 {
		return fmt.Errorf("%w: a scan of %d to %d, %02X", ErrUnsupported, tail[0], tail[1], tail[2])
	}
	for i := range h.n {
		c := &h.comps[i]
		if b[1+2*i] != c.id {
			return fmt.Errorf("%w: components in another order", ErrMarker)
		}
		c.dc, c.ac = b[2+2*i]>>4, b[2+2*i]&15
		if !h.needCodes(0, c.dc) || !h.needCodes(1, c.ac) {
			return fmt.Errorf("%w: a Huffman table is missing", ErrMarker)
		}
		if !h.haveSteps[c.quant] {
			return fmt.Errorf("%w: a quantisation table is missing", ErrMarker)
		}
	}
	return nil
}

// rgb says that the components are not Y, Cb and Cr but red, green and blue: Adobe's segment says so, or, where neither it nor
// JFIF's is there, their names do.
func (h *header) rgb() bool {
	if h.n != 3 {
		return false
	}
	for at := 0; at+4 <= len(h.keep); at += 2 + int(h.keep[at+2])<<8 + int(h.keep[at+3]) {
		switch m, body := h.keep[at+1], h.keep[at+4:]; {
		case m == mAPP0 && bytes.HasPrefix(body, []byte("JFIF\x00")):
			return false
		case m == mAPP0+14 && bytes.HasPrefix(body, []byte("Adobe")) && len(body) >= 12:
			return body[11] == 0
		}
	}
	return h.comps[0].id == 'R' && h.comps[1].id == 'G' && h.comps[2].id == 'B'
}
