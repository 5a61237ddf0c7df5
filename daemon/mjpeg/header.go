package mjpeg

import (
	"bytes"
	"fmt"
	"slices"
)

// component is one plane of a frame, B.2.2 and B.2.3.
type component struct {
	id     byte
	h, v   int  // blocks per MCU
	quant  int  // index of the quantisation table
	dc, ac byte // indices of the Huffman tables
}

// geometry is the layout of a frame in blocks.
type geometry struct {
	width, height int
	comps         [3]component
	n             int     // number of components: 1 or 3
	across, down  int     // MCUs
	blocks        [10]int // component of each block of an MCU
	perMCU        int     // number of blocks in an MCU
}

// resize sets the size in pixels and the number of MCUs.
func (g *geometry) resize(width, height int) {
	h, v := 1, 1
	for _, c := range g.comps[:g.n] {
		h, v = max(h, c.h), max(v, c.v)
	}
	g.width, g.height = width, height
	g.across = (width + 8*h - 1) / (8 * h)
	g.down = (height + 8*v - 1) / (8 * v)
}

// header is what decoding needs of a sequential frame with one scan.
type header struct {
	geometry
	interval  int // MCUs between restart markers; 0: none
	steps     [4][64]uint8
	haveSteps [4]bool
	dc, ac    [4]huffDecoder
	haveCodes [2][4]bool
	data      int    // offset of the entropy-coded data
	metadata  []byte // application segments and comments for copies of the frame
}

// maxMetadataLen is the longest application segment or comment to keep, in
// bytes. JFIF, Adobe and EXIF's orientation fit. Some cameras put a thumbnail
// or an H.264 stream into such segments.
const maxMetadataLen = 256

// parse reads b up to the end of its first scan header. b holds at most one
// frame. The errors are those of Check.
//
// A frame without Huffman tables gets the standard ones, as UVC cameras expect.
// ErrUnsupported: progressive, several scans, two or four components, or
// quantisation steps above 255, which no camera needs.
func (h *header) parse(b []byte) error {
	h.n, h.interval, h.metadata = 0, 0, h.metadata[:0]
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
			return fmt.Errorf("%w: no segment at byte %d", ErrMarker, pos)
		}
		if end > len(b) {
			return fmt.Errorf("%w after %d bytes", ErrNoEnd, len(b))
		}
		if err := h.segment(m, b[pos:end]); err != nil {
			return fmt.Errorf("%w at byte %d", err, pos)
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
			return fmt.Errorf("%w: restart interval of %d bytes", ErrMarker, len(body))
		}
		h.interval = int(body[0])<<8 | int(body[1])
	case m == mSOF0 || m == mSOF1:
		return h.frame(body)
	case m > mSOF1 && m < mRST0 || m == mDNL:
		return fmt.Errorf("%w: marker %02X", ErrUnsupported, m)
	case m == mSOS:
		return h.scan(body)
	case m >= mAPP0 && len(segment) <= maxMetadataLen && len(h.metadata) <= 4*maxMetadataLen:
		h.metadata = append(h.metadata, segment...)
	}
	return nil
}

// quantTables reads DQT, B.2.4.1.
func (h *header) quantTables(b []byte) error {
	for len(b) > 0 {
		wide, t := int(b[0]>>4), int(b[0]&15)
		n := 1 + 64<<min(wide, 1)
		if wide > 1 || t > 3 || len(b) < n {
			return fmt.Errorf("%w: invalid quantisation table", ErrMarker)
		}
		for i := range 64 {
			step := int(b[1+i<<wide])
			if wide == 1 {
				step = step<<8 | int(b[2+i<<1])
			}
			if step == 0 {
				return fmt.Errorf("%w: quantisation step 0", ErrMarker)
			}
			if step > 255 {
				return fmt.Errorf("%w: quantisation step %d", ErrUnsupported, step)
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
			return fmt.Errorf("%w: invalid Huffman table", ErrMarker)
		}
		if !h.setCodes(class, t, b[1:n]) {
			return fmt.Errorf("%w: invalid Huffman table", ErrMarker)
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

// standardRaw holds the standard tables in the order of standardHuffman,
// encoded as in DHT after Tc and Th.
var standardRaw = func() (raw [4][]byte) {
	for i, s := range standardHuffman {
		raw[i] = slices.Concat(s.counts[:], s.values)
	}
	return raw
}()

// needCodes reports whether Huffman table t is available. It loads a standard
// table that the frame lacks.
func (h *header) needCodes(class, t byte) bool {
	return t < 4 && (h.haveCodes[class][t] || t < 2 && h.setCodes(class, t, standardRaw[2*t+class]))
}

// frame reads SOF, B.2.2.
func (h *header) frame(b []byte) error {
	if h.n != 0 {
		return fmt.Errorf("%w: second frame header", ErrMarker)
	}
	if len(b) < 6 || len(b) != 6+3*int(b[5]) {
		return fmt.Errorf("%w: wrong length", ErrNoFrameHeader)
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
			return fmt.Errorf("%w: invalid sampling factors", ErrNoFrameHeader)
		}
		if h.n == 1 {
			c.h, c.v = 1, 1 // a scan of one component is not interleaved, A.2.2
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
		return fmt.Errorf("%w: scan before the frame header", ErrNoFrameHeader)
	}
	if len(b) < 1 || len(b) != 4+2*int(b[0]) {
		return fmt.Errorf("%w: damaged scan header", ErrMarker)
	}
	if int(b[0]) != h.n {
		return fmt.Errorf("%w: more than one scan", ErrUnsupported)
	}
	if tail := b[1+2*h.n:]; tail[0] != 0 || tail[1] != 63 || tail[2] != 0 {
		return fmt.Errorf("%w: scan of coefficients %d to %d, approximation %02X",
			ErrUnsupported, tail[0], tail[1], tail[2])
	}
	for i := range h.n {
		c := &h.comps[i]
		if b[1+2*i] != c.id {
			return fmt.Errorf("%w: components out of order", ErrMarker)
		}
		c.dc, c.ac = b[2+2*i]>>4, b[2+2*i]&15
		if !h.needCodes(0, c.dc) || !h.needCodes(1, c.ac) {
			return fmt.Errorf("%w: missing Huffman table", ErrMarker)
		}
		if !h.haveSteps[c.quant] {
			return fmt.Errorf("%w: missing quantisation table", ErrMarker)
		}
	}
	return nil
}

// rgb reports whether the components are red, green and blue instead of Y, Cb
// and Cr. Adobe's segment decides. Without it and JFIF's, the component ids do.
func (h *header) rgb() bool {
	if h.n != 3 {
		return false
	}
	for at := 0; at+4 <= len(h.metadata); at += 2 + int(h.metadata[at+2])<<8 + int(h.metadata[at+3]) {
		switch m, body := h.metadata[at+1], h.metadata[at+4:]; {
		case m == mAPP0 && bytes.HasPrefix(body, []byte("JFIF\x00")):
			return false
		case m == mAPP0+14 && bytes.HasPrefix(body, []byte("Adobe")) && len(body) >= 12:
			return body[11] == 0
		}
	}
	return h.comps[0].id == 'R' && h.comps[1].id == 'G' && h.comps[2].id == 'B'
}
