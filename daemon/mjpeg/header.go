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
	hmax, vmax    int // largest sampling factors
	comps         [4]component
	n             int // number of components: 1, 3 or 4
	mcuLayout         // of a scan of all components
}

// mcuLayout is the layout of a scan.
type mcuLayout struct {
	across, down int     // MCUs
	blocks       [10]int // component of each block of an MCU
	perMCU       int     // number of blocks in an MCU; 0: too many
}

// add adds the blocks of component i to the MCU.
func (l *mcuLayout) add(i, blocks int) {
	if l.perMCU+blocks > len(l.blocks) {
		l.perMCU = len(l.blocks) + 1
		return
	}
	for range blocks {
		l.blocks[l.perMCU] = i
		l.perMCU++
	}
}

// resize sets the size in pixels and the number of MCUs.
func (g *geometry) resize(width, height int) {
	g.hmax, g.vmax = 1, 1
	for _, c := range g.comps[:g.n] {
		g.hmax, g.vmax = max(g.hmax, c.h), max(g.vmax, c.v)
	}
	g.width, g.height = width, height
	g.across = (width + 8*g.hmax - 1) / (8 * g.hmax)
	g.down = (height + 8*g.vmax - 1) / (8 * g.vmax)
}

// header is what decoding needs of a sequential frame, up to the current scan.
type header struct {
	geometry
	scan      mcuLayout // of the current scan
	pending   uint      // bit i is set while component i has had no scan
	interval  int       // MCUs between restart markers; 0: none
	steps     [4][64]uint16
	haveSteps [4]bool
	dc, ac    [4]huffDecoder
	haveCodes [2][4]bool
	data      int    // offset of the entropy-coded data
	metadata  []byte // application segments and comments for copies of the frame
	jfif      bool   // there is a JFIF segment
	adobe     int    // the colour transform of Adobe's segment; -1: none
}

// maxMetadataLen is the longest application segment or comment to keep, in
// bytes. JFIF, Adobe and EXIF's orientation fit. Some cameras put a thumbnail
// or an H.264 stream into such segments.
const maxMetadataLen = 256

// parse reads b up to the end of its first scan header. b holds at most one
// frame. It ignores junk as Check does. The errors are those of Check.
//
// A frame without Huffman tables gets the standard ones, as UVC cameras expect.
// ErrUnsupported: not sequential, or two components.
func (h *header) parse(b []byte) error {
	start := bytes.Index(b[:min(len(b), maxLead+2)], startOfImage)
	if start < 0 {
		return ErrNoStart
	}
	h.reset()
	return h.segments(b, start+2)
}

func (h *header) reset() {
	h.n, h.pending, h.interval = 0, 0, 0
	h.metadata, h.jfif, h.adobe = h.metadata[:0], false, -1
	h.haveSteps, h.haveCodes = [4]bool{}, [2][4]bool{}
}

// nextScan reads the segments after a scan that ended at or before pos, up to
// the end of the next scan header.
func (h *header) nextScan(b []byte, pos int) error {
	for ; pos+2 <= len(b); pos++ {
		if m := b[pos+1]; b[pos] == 0xFF && m != 0 && m != 0xFF && (m < mRST0 || m > mRST7) {
			return h.segments(b, pos)
		}
	}
	return fmt.Errorf("%w after %d bytes", ErrNoEnd, len(b))
}

// segments reads the segments from pos up to the end of a scan header.
func (h *header) segments(b []byte, pos int) error {
	for junk := 0; ; {
		if len(b)-pos < 4 {
			return fmt.Errorf("%w after %d bytes", ErrNoEnd, len(b))
		}
		m, isMarker := b[pos+1], b[pos] == 0xFF
		switch {
		case isMarker && m == 0xFF: // fill, B.1.1.2
			pos++
			continue
		case isMarker && m == mSOI && h.n == 0:
			h.reset()
			pos += 2
			continue
		case (!isMarker || m == 0 || junk > 0 && !hasLength(m)) && junk < maxJunk && h.pending == allComponents(h.n):
			junk++
			pos++
			continue
		}
		junk = 0
		end := pos + 2 + int(b[pos+2])<<8 + int(b[pos+3])
		if !isMarker || !hasLength(m) || end < pos+4 {
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
		return fmt.Errorf("%w: %s", ErrUnsupported, processName(m))
	case m == mSOS:
		return h.scanHeader(body)
	case m >= mAPP0:
		h.keepMetadata(segment)
	}
	return nil
}

// keepMetadata keeps the first segments that are small, and those that define
// the colours.
func (h *header) keepMetadata(segment []byte) {
	keep := len(h.metadata) <= 4*maxMetadataLen
	switch {
	case isJFIF(segment):
		if len(segment) > maxMetadataLen { // with a thumbnail
			segment = jfifSegment
		}
		keep, h.jfif = keep || !h.jfif, true
	case isAdobe(segment):
		keep, h.adobe = keep || h.adobe < 0, int(segment[adobeTransform])
	}
	if keep && len(segment) <= maxMetadataLen {
		h.metadata = append(h.metadata, segment...)
	}
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
			h.steps[t][i] = uint16(step)
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
	if b[0] != 8 {
		return fmt.Errorf("%w: %d bits a sample", ErrUnsupported, b[0])
	}
	if b[5] != 1 && b[5] != 3 && b[5] != 4 {
		return fmt.Errorf("%w: %d components", ErrUnsupported, b[5])
	}
	height, width := int(b[1])<<8|int(b[2]), int(b[3])<<8|int(b[4])
	if width == 0 || height == 0 {
		return fmt.Errorf("%w: %dx%d", ErrNoFrameHeader, width, height)
	}
	h.n, h.mcuLayout = int(b[5]), mcuLayout{}
	for i := range h.n {
		c := component{id: b[6+3*i], h: int(b[7+3*i] >> 4), v: int(b[7+3*i] & 15), quant: int(b[8+3*i])}
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.quant > 3 {
			return fmt.Errorf("%w: invalid sampling factors", ErrNoFrameHeader)
		}
		if h.n == 1 {
			c.h, c.v = 1, 1 // a scan of one component is not interleaved, A.2.2
		}
		h.comps[i] = c
		h.add(i, c.h*c.v)
	}
	h.resize(width, height)
	h.pending = allComponents(h.n)
	return nil
}

func allComponents(n int) uint { return 1<<n - 1 }

// scanHeader reads SOS, B.2.3. Sequential frames do not use Ss, Se, Ah and Al.
func (h *header) scanHeader(b []byte) error {
	if h.n == 0 {
		return fmt.Errorf("%w: scan before the frame header", ErrNoFrameHeader)
	}
	n := 0
	if len(b) > 0 {
		n = int(b[0])
	}
	if n < 1 || n > h.n || len(b) != 4+2*n {
		return fmt.Errorf("%w: damaged scan header", ErrMarker)
	}
	l := &h.scan
	*l = mcuLayout{across: h.across, down: h.down}
	next := 0
	for i := range n {
		for next < h.n && h.comps[next].id != b[1+2*i] {
			next++
		}
		if next == h.n || h.pending>>next&1 == 0 {
			return fmt.Errorf("%w: components out of order", ErrMarker)
		}
		c := &h.comps[next]
		c.dc, c.ac = b[2+2*i]>>4, b[2+2*i]&15
		if !h.needCodes(0, c.dc) || !h.needCodes(1, c.ac) {
			return fmt.Errorf("%w: missing Huffman table", ErrMarker)
		}
		if !h.haveSteps[c.quant] {
			return fmt.Errorf("%w: missing quantisation table", ErrMarker)
		}
		if n == 1 { // not interleaved, A.2.2
			l.add(next, 1)
			l.across = (ceilDiv(h.width*c.h, h.hmax) + 7) / 8
			l.down = (ceilDiv(h.height*c.v, h.vmax) + 7) / 8
		} else {
			l.add(next, c.h*c.v)
		}
		h.pending &^= 1 << next
		next++
	}
	if l.perMCU > len(l.blocks) { // B.2.3
		return fmt.Errorf("%w: too many blocks in an MCU", ErrMarker)
	}
	return nil
}

// singleScan reports whether the current scan has all components.
func (h *header) singleScan() bool { return h.scan == h.mcuLayout }

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// rgb reports whether three components are red, green and blue instead of Y, Cb
// and Cr. JFIF decides, wherever it stands; then Adobe's segment, then the
// component ids.
func (h *header) rgb() bool {
	if h.n != 3 {
		return false
	}
	switch {
	case h.jfif:
		return false
	case h.adobe >= 0:
		return h.adobe == 0
	}
	return h.comps[0].id == 'R' && h.comps[1].id == 'G' && h.comps[2].id == 'B'
}

// ycck reports whether four components are Y, Cb, Cr and K instead of cyan,
// magenta, yellow and K.
func (h *header) ycck() bool { return h.n == 4 && h.adobe == 2 }
