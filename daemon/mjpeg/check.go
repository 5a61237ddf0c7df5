// Package mjpeg knows what a camera's JPEG frame is: it checks and completes one without decoding it, cuts a stream into
// frames, makes them smaller, encodes raw frames, and decodes frames for a display.
//
//	bytes of a camera ── Check ──▶ Info ── Complete ──▶ a frame that every decoder reads
//	a file, a pipe    ── Splitter ──▶ frames with their Info
//	a baseline JPEG   ── Requantiser ──▶ the same one in fewer bytes, or half as large
//	YUYV, NV12, grey  ── Encoder ──▶ baseline JPEG of the same sampling: 4:2:2, 4:2:0, Y alone
//	a baseline JPEG   ── Decoder ──▶ Planes at 1/1 to 1/8 of its size ── Put… ──▶ a display's pixels
//
// It promises never to panic and never to read out of bounds, whatever the bytes are, and to allocate nothing per good
// frame once warm. It starts no goroutine. Functions are safe for concurrent use, an Encoder, a Decoder, a Requantiser
// or a Splitter is for one goroutine at a time.
//
// Numbers and tables are those of ITU-T T.81 (JPEG); "Annex" and "B.2" in comments mean its parts.
package mjpeg

import (
	"bytes"
	"errors"
	"fmt"
)

// What Check finds wrong, for errors.Is.
var (
	ErrNoStart       = errors.New("not a JPEG frame")                 // does not begin with SOI
	ErrNoEnd         = errors.New("the JPEG frame is cut off")        // runs out before EOI
	ErrMarker        = errors.New("a damaged JPEG frame")             // a marker or a length that cannot stand there
	ErrNoFrameHeader = errors.New("a JPEG frame without its size")    // no usable SOF before the first scan
	ErrUnsupported   = errors.New("a kind of JPEG that nobody shows") // lossless, hierarchical, arithmetic, 12 bit
	ErrTooSmall      = errors.New("too few bytes for a frame's size") // fewer than any encoder could have made of it
)

// Info is what Check learns of a frame. Offsets are in bytes from its start.
type Info struct {
	Width, Height int  // pixels, 1..65535
	Tables        bool // has Huffman tables (DHT) before its first scan
	SOS           int  // where the first scan's header begins, its 0xFF
	End           int  // one past EOI; what a camera sends behind that is padding
}

// Marker codes, Table B.1: the byte behind 0xFF.
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

// Check says whether b begins with one whole frame, without decoding it: start, markers, dimensions, a length that the
// dimensions allow, and the end. Bytes behind the end are allowed, since UVC cameras pad. It takes about a tenth of a
// millisecond per megabyte.
//
// The errors are ErrNoStart, ErrNoEnd, ErrMarker, ErrNoFrameHeader, ErrUnsupported and ErrTooSmall, with the place.
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

// errMore says that the walker has seen all there is and the frame goes on.
var errMore = errors.New("more bytes are needed")

// walker goes over one frame from marker to marker. It can be called again with the same bytes and more behind them, so
// that a stream is looked at once only.
type walker struct {
	info    Info
	pos     int // everything before it is understood
	started bool
	scan    bool // in entropy-coded data
	bits    int  // the fewest bits that the frame's blocks can take
}

// walk returns nil when the frame's end was found, errMore, or what is wrong with it.
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
		if w.scan {
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
			return w.fault(ErrMarker, "a marker was due")
		}
		m := b[w.pos+1]
		switch {
		case m == 0xFF: // fill, B.1.1.2
			w.pos++
		case w.scan && (m == 0 || m >= mRST0 && m <= mRST7):
			w.pos += 2
		case m == mEOI:
			return w.end()
		default:
			n, err := w.segment(b[w.pos:], m)
			if err != nil {
				return err
			}
			w.pos += n
			w.scan = m == mSOS
		}
	}
}

func (w *walker) end() error {
	w.pos += 2
	if w.info.SOS == 0 {
		return w.fault(ErrMarker, "it ends before its first scan")
	}
	if have := 8 * (w.pos - w.info.SOS); have < w.bits {
		return fmt.Errorf("%w: %d bytes for %dx%d", ErrTooSmall, w.pos, w.info.Width, w.info.Height)
	}
	w.info.End = w.pos
	return nil
}

// segment understands the segment with marker m at the start of b and returns its length with the marker.
func (w *walker) segment(b []byte, m byte) (int, error) {
	if !hasLength(m) {
		// SOI inside a frame: a camera lost the end of one and the rest is the next.
		return 0, w.fault(ErrMarker, fmt.Sprintf("marker %02X cannot stand there", m))
	}
	if len(b) < 4 {
		return 0, errMore
	}
	n := int(b[2])<<8 | int(b[3])
	if n < 2 {
		return 0, w.fault(ErrMarker, "a segment's length is less than 2")
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
		return w.fault(ErrMarker, "a second frame header")
	}
	if len(body) < 6 || len(body) != 6+3*int(body[5]) {
		return w.fault(ErrNoFrameHeader, "its frame header has the wrong length")
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
		return w.fault(ErrNoFrameHeader, "impossible sampling factors")
	}
	w.info.Width, w.info.Height = width, height
	// A Huffman code has at least one bit. A sequential block has at least a DC symbol and an end-of-block; a progressive
	// one has a DC symbol, and its AC may be covered by one end-of-band run.
	w.bits = 2 * blocks
	if m == mSOF2 {
		w.bits = blocks
	}
	return nil
}

// countBlocks counts the 8x8 blocks that the components (B.2.2) have at least.
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
		return w.fault(ErrNoFrameHeader, "a scan comes first")
	}
	if len(body) < 1 || body[0] < 1 || body[0] > 4 || len(body) != 4+2*int(body[0]) {
		return w.fault(ErrMarker, "a damaged scan header")
	}
	if w.info.SOS == 0 {
		w.info.SOS = w.pos
	}
	return nil
}

func (w *walker) fault(err error, what string) error {
	return fmt.Errorf("%w: %s, at byte %d", err, what, w.pos)
}
