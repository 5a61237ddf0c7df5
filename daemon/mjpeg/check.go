package mjpeg

import (
	"bytes"
	"errors"
	"fmt"
)

// Errors of Check, for errors.Is.
var (
	ErrNoStart       = errors.New("not a JPEG frame")                   // no SOI
	ErrNoEnd         = errors.New("truncated JPEG frame")               // no EOI, and MCUs are missing
	ErrMarker        = errors.New("damaged JPEG frame")                 // a marker or length is invalid there
	ErrNoFrameHeader = errors.New("JPEG frame without size")            // no valid SOF before the first scan
	ErrUnsupported   = errors.New("unsupported JPEG")                   // lossless, arithmetic, 12 bit, …
	ErrTooSmall      = errors.New("too few bytes for the frame's size") // no encoder makes so few
)

// Info is the result of Check. Offsets are in bytes from the start of the
// input.
type Info struct {
	Width, Height int  // pixels, 1..65535
	Tables        bool // there are Huffman tables (DHT) before the first scan
	Start         int  // offset of SOI; the bytes before it are junk
	SOS           int  // offset of the first SOS marker
	End           int  // offset after EOI; the rest of the buffer is padding

	junk  int  // bytes between segments
	noEOI bool // the frame is complete but for EOI
}

// Marker codes, Table B.1: the byte after 0xFF.
const (
	mTEM  = 0x01
	mSOF0 = 0xC0 // baseline
	mSOF1 = 0xC1 // extended sequential
	mSOF2 = 0xC2 // progressive
	mDHT  = 0xC4
	mJPG  = 0xC8
	mDAC  = 0xCC
	mRST0 = 0xD0
	mRST7 = 0xD7
	mSOI  = 0xD8
	mEOI  = 0xD9
	mSOS  = 0xDA
	mDQT  = 0xDB
	mDNL  = 0xDC
	mDRI  = 0xDD
	mDHP  = 0xDE // hierarchical
	mEXP  = 0xDF // hierarchical
	mAPP0 = 0xE0
	mCOM  = 0xFE
)

const (
	// maxLead limits the bytes before SOI. Some cameras put a header of their
	// own or zeros there.
	maxLead = 64 << 10
	// maxJunk limits the bytes between two segments. Other decoders also
	// continue at the next marker.
	maxJunk = 1 << 10
)

// Check reports whether b begins with one complete frame. It checks the
// markers, the size in pixels, the end, and that there are enough bytes for the
// size. Bytes after the end are allowed, since UVC cameras pad. It takes about
// 0.1 ms per megabyte.
//
// Up to 64 KiB before the frame and 1 KiB between two segments are ignored, and
// so is a missing EOI; Complete mends all of them. Only a frame without EOI or
// with bytes between its segments is decoded, without the transform, to see
// that it has all its MCUs.
//
// Errors: ErrNoStart, ErrNoEnd, ErrMarker, ErrNoFrameHeader, ErrUnsupported and
// ErrTooSmall, each with the offset.
func Check(b []byte) (Info, error) {
	w, err := check(b)
	return w.info, err
}

// check returns a walker without Info if there is an error.
func check(b []byte) (walker, error) {
	start := bytes.Index(b[:min(len(b), maxLead+2)], startOfImage)
	if start < 0 {
		if len(b) < 2 {
			return walker{}, fmt.Errorf("%w after %d bytes", ErrNoEnd, len(b))
		}
		return walker{}, ErrNoStart
	}
	for w := newWalker(start); ; {
		err := w.walk(b)
		if err == errStart && w.info.SOS == 0 && w.pos <= maxLead {
			suspect := w.suspect || w.state == inJunk
			w = newWalker(w.pos)
			w.suspect = suspect
			continue
		}
		if err = w.verify(b, err); err != nil {
			return walker{}, err
		}
		return w, nil
	}
}

// maxScans limits the scans of a progressive frame. Encoders make about ten;
// each one costs a decoder a pass over all pixels.
const maxScans = 16

// CheckStrict is Check for a frame from an untrusted device, which may be made
// so that decoders disagree about it, or take long. The frame begins with the
// first byte. It has nothing between its segments, and an EOI. It has one or
// three components, or four. A sequential frame has one scan for each of them
// at most, a progressive one at most 16. All frames that Complete returns pass,
// if they have no more scans.
//
// The bytes after Info.End are not checked.
func CheckStrict(b []byte) (Info, error) {
	w, err := check(b)
	info := w.info
	switch {
	case err != nil:
		return Info{}, err
	case info.Start > 0:
		return Info{}, fmt.Errorf("%w: it begins at byte %d", ErrNoStart, info.Start)
	case info.noEOI:
		return Info{}, ErrNoEnd
	case info.junk > 0:
		return Info{}, fmt.Errorf("%w: bytes between segments", ErrMarker)
	case w.components == 2:
		return Info{}, fmt.Errorf("%w: 2 components", ErrUnsupported)
	case w.progressive && w.scans > maxScans, !w.progressive && w.scans > w.components:
		return Info{}, fmt.Errorf("%w: %d scans", ErrUnsupported, w.scans)
	}
	return info, nil
}

var startOfImage, endOfImage = []byte{0xFF, mSOI}, []byte{0xFF, mEOI}

var (
	errMore  = errors.New("more bytes are needed")
	errStart = errors.New("another frame begins") // at walker.pos
)

// walker walks one frame from marker to marker. It can be called again with the
// same bytes and more after them, so that a stream is read only once.
type walker struct {
	info     Info
	pos      int // everything before it was read
	state    walkerState
	segments int // number of complete segments
	segment  int // offset of the last complete segment; 0: none
	junk     int // offset of the first byte that belongs to no segment
	// beforeJunk is the segment that the first junk follows.
	beforeJunk int
	minBits    int   // minimum number of bits for the frame's blocks
	suspect    bool  // the frame may be the thumbnail in a damaged header
	read       int64 // bytes looked at, for tests

	components, scans int
	progressive       bool
}

type walkerState int

const (
	inHeader walkerState = iota
	inJunk
	inScan
)

// newWalker returns a walker of the frame whose SOI is at start.
func newWalker(start int) walker { return walker{info: Info{Start: start}, pos: start + 2} }

// walk returns nil at the end of the frame, errMore, errStart, or an error of
// Check.
func (w *walker) walk(b []byte) error {
	for {
		switch w.state {
		case inScan:
			if !w.skipTo(b, bytes.IndexByte(b[w.pos:], 0xFF)) {
				return errMore
			}
		case inJunk:
			limit := min(len(b), w.junk+maxJunk)
			if !w.skipTo(b[:limit], bytes.IndexByte(b[w.pos:limit], 0xFF)) && limit < len(b) {
				return w.fault(ErrMarker, "expected a marker")
			}
		}
		if len(b)-w.pos < 2 {
			return errMore
		}
		w.read += 2
		if b[w.pos] != 0xFF || b[w.pos+1] == 0 && w.state == inHeader {
			if w.info.SOS != 0 {
				return w.fault(ErrMarker, "expected a marker")
			}
			if w.info.junk == 0 {
				w.beforeJunk = w.segment
			}
			w.state, w.junk, w.pos = inJunk, w.pos, w.pos+1
			continue
		}
		switch m := b[w.pos+1]; {
		case m == 0xFF: // fill, B.1.1.2
			w.pos++
		case w.state == inScan && (m == 0 || m >= mRST0 && m <= mRST7):
			w.pos += 2
		case w.state == inJunk && m != mSOI && !hasLength(m):
			w.pos++
		case m == mEOI:
			return w.end(b)
		case m == mSOI: // the end of this frame is missing
			return errStart
		default:
			if err := w.readSegment(b, m); err != nil {
				return err
			}
		}
	}
}

// skipTo advances by n bytes, or to the end of b if n is negative. It reports
// whether n is not.
func (w *walker) skipTo(b []byte, n int) bool {
	found := n >= 0
	if !found {
		n = len(b) - w.pos
	}
	w.pos += n
	w.read += int64(n)
	return found
}

func (w *walker) end(b []byte) error {
	if w.info.SOS == 0 {
		w.pos += 2
		return w.fault(ErrMarker, "end before the first scan")
	}
	if w.suspect || w.info.junk > 0 {
		if len(b)-w.pos < 4 {
			return errMore
		}
		if b[w.pos+2] == 0xFF && hasLength(b[w.pos+3]) {
			return w.fault(ErrMarker, "thumbnail of a damaged frame")
		}
	}
	w.pos += 2
	w.info.End = w.pos
	return w.checkSize()
}

// checkSize returns ErrTooSmall if the blocks do not fit before w.info.End.
func (w *walker) checkSize() error {
	if have := 8 * (w.info.End - w.info.SOS); have < w.minBits {
		return fmt.Errorf("%w: %d bytes for %dx%d",
			ErrTooSmall, w.info.End-w.info.Start, w.info.Width, w.info.Height)
	}
	return nil
}

// verify completes the result of walk: b is everything that there is. It
// decodes a frame without EOI or with junk between its segments, and returns an
// error if MCUs are missing.
func (w *walker) verify(b []byte, result error) error {
	info := &w.info
	if result == errMore && w.state == inScan && bytes.HasPrefix(b[w.pos:], endOfImage) {
		w.pos += 2
		info.End = w.pos
		result = w.checkSize()
	}
	switch {
	case result == nil && info.junk == 0:
		return nil
	case result == nil:
		if _, _, err := scanEnd(b[info.Start:info.End]); err != nil {
			return fmt.Errorf("%w: bytes between segments: %w", ErrMarker, err)
		}
		return nil
	case result == errStart:
		b = b[:w.pos]
	case result != errMore:
		return result
	}
	if info.SOS == 0 || w.state != inScan {
		return fmt.Errorf("%w after %d bytes", ErrNoEnd, len(b)-info.Start)
	}
	info.End = len(b)
	if err := w.checkSize(); err != nil {
		return fmt.Errorf("%w after %d bytes", ErrNoEnd, len(b)-info.Start)
	}
	end, fillBits, err := scanEnd(b[info.Start:])
	end += info.Start
	if err == nil && endsInPadding(b, end, fillBits) {
		err = errMissingMCUs
	}
	if err != nil {
		return fmt.Errorf("%w after %d bytes: %w", ErrNoEnd, len(b)-info.Start, err)
	}
	info.End, info.noEOI = end, true
	return nil
}

// endsInPadding reports whether data up to end include zeros that pad the
// buffer: zeros are valid codes. Data can end with a byte of zeros, but then it
// is used completely, since encoders fill the last byte with ones.
func endsInPadding(b []byte, end, fillBits int) bool {
	zeros := end - len(bytes.TrimRight(b, "\x00"))
	return end < len(b) && (zeros > 1 || zeros == 1 && fillBits > 0)
}

// readSegment reads the segment with marker m at w.pos.
func (w *walker) readSegment(b []byte, m byte) error {
	if !hasLength(m) {
		return w.fault(ErrMarker, fmt.Sprintf("unexpected marker %02X", m))
	}
	if len(b)-w.pos < 4 {
		return errMore
	}
	n := int(b[w.pos+2])<<8 | int(b[w.pos+3])
	if n < 2 {
		return w.fault(ErrMarker, "segment length below 2")
	}
	if len(b)-w.pos < 2+n {
		return errMore
	}
	if w.state == inJunk {
		w.info.junk += w.pos - w.junk
	}
	if err := w.parseSegment(m, b[w.pos+4:w.pos+2+n]); err != nil {
		return err
	}
	w.segment, w.state = w.pos, inHeader
	w.segments++
	w.pos += 2 + n
	if m == mSOS {
		w.state = inScan
	}
	return nil
}

func (w *walker) parseSegment(m byte, body []byte) error {
	switch m {
	case mDHT:
		w.info.Tables = w.info.Tables || w.info.SOS == 0
	case mSOS:
		w.read += int64(len(body))
		return w.scanHeader(body)
	case mSOF0, mSOF1, mSOF2:
		w.read += int64(len(body))
		return w.frameHeader(body, m)
	default:
		if m >= mSOF0 && m < mRST0 || m == mDNL || m == mDHP || m == mEXP {
			return w.fault(ErrUnsupported, processName(m))
		}
	}
	return nil
}

func hasLength(m byte) bool {
	return m >= mSOF0 && m < mRST0 && m != mJPG || m >= mSOS && m <= 0xEF || m == mCOM
}

// processName returns the name of the coding process of a SOF marker that is
// not sequential Huffman coding, Table B.1.
func processName(m byte) string {
	switch {
	case m == mSOF2:
		return "progressive"
	case m == 0xC3:
		return "lossless"
	case m >= 0xC5 && m <= 0xC7, m == mDHP, m == mEXP:
		return "hierarchical"
	case m > mJPG && m <= 0xCF:
		return "arithmetic coding"
	case m == mDNL:
		return "number of lines after the scan"
	}
	return fmt.Sprintf("marker %02X", m)
}

func (w *walker) frameHeader(body []byte, m byte) error {
	if w.info.Width != 0 {
		return w.fault(ErrMarker, "second frame header")
	}
	if len(body) < 6 || len(body) != 6+3*int(body[5]) {
		return w.fault(ErrNoFrameHeader, "frame header of the wrong length")
	}
	if body[0] != 8 {
		return w.fault(ErrUnsupported, fmt.Sprintf("%d bits a sample", body[0]))
	}
	height, width, n := int(body[1])<<8|int(body[2]), int(body[3])<<8|int(body[4]), int(body[5])
	if width == 0 || height == 0 || n == 0 || n > 4 {
		return w.fault(ErrNoFrameHeader, fmt.Sprintf("%dx%d, %d components", width, height, n))
	}
	blocks, ok := countBlocks(width, height, body[6:])
	if !ok {
		return w.fault(ErrNoFrameHeader, "invalid sampling factors")
	}
	w.info.Width, w.info.Height = width, height
	w.components, w.progressive = n, m == mSOF2
	// A Huffman code has at least one bit. A sequential block has at least a DC
	// symbol and an end-of-block. A progressive one has a DC symbol; one
	// end-of-band run may cover its AC coefficients.
	w.minBits = 2 * blocks
	if m == mSOF2 {
		w.minBits = blocks
	}
	return nil
}

// countBlocks returns the minimum number of 8x8 blocks of the components,
// B.2.2.
func countBlocks(width, height int, comps []byte) (blocks int, ok bool) {
	hmax, vmax := 0, 0
	for i := 0; i < len(comps); i += 3 {
		h, v := int(comps[i+1]>>4), int(comps[i+1]&15)
		if h < 1 || h > 4 || v < 1 || v > 4 {
			return 0, false
		}
		hmax, vmax = max(hmax, h), max(vmax, v)
	}
	for i := 0; i < len(comps); i += 3 {
		h, v := int(comps[i+1]>>4), int(comps[i+1]&15)
		blocks += ((width*h+hmax-1)/hmax + 7) / 8 * (((height*v+vmax-1)/vmax + 7) / 8)
	}
	return blocks, true
}

func (w *walker) scanHeader(body []byte) error {
	if w.info.Width == 0 {
		return w.fault(ErrNoFrameHeader, "scan before the frame header")
	}
	if len(body) < 1 || body[0] < 1 || body[0] > 4 || len(body) != 4+2*int(body[0]) {
		return w.fault(ErrMarker, "damaged scan header")
	}
	if w.info.SOS == 0 {
		w.info.SOS = w.pos
	}
	w.scans++
	return nil
}

func (w *walker) fault(err error, what string) error {
	return fmt.Errorf("%w: %s at byte %d", err, what, w.pos)
}
