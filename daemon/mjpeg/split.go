package mjpeg

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ErrTooLarge says that a frame in a stream is larger than the splitter may keep.
var ErrTooLarge = errors.New("a frame is larger than allowed")

// Splitter cuts a stream of frames, one behind the other, into single ones. What is between them is skipped.
type Splitter struct {
	r       io.Reader
	max     int
	buf     []byte
	start   int // where the current frame begins in buf
	walk    walker
	whole   bool // the current frame was given away by Next
	skipped int64
	fault   error
	err     error // of r
}

// NewSplitter cuts what r gives. A frame may take max bytes, and the splitter keeps no more than that in memory.
func NewSplitter(r io.Reader, max int) *Splitter { return &Splitter{r: r, max: max} }

// Next returns the next whole frame. It is valid until the next call. Damaged ones are skipped, see Skipped.
// At the stream's end the error is io.EOF; any other is the reader's.
func (s *Splitter) Next() ([]byte, Info, error) {
	if s.whole {
		s.next(s.walk.info.End)
	}
	for {
		frame := s.buf[s.start:]
		err := s.walk.walk(frame)
		switch {
		case err == nil:
			s.whole = true
			info := s.walk.info
			return frame[:info.End:info.End], info, nil
		case err != errMore:
			s.skip(err)
		case len(frame) >= s.max:
			s.skip(fmt.Errorf("%w: more than %d bytes", ErrTooLarge, s.max))
		case s.err == nil:
			s.fill()
		case len(frame) > 0:
			s.skip(fmt.Errorf("%w after %d bytes", ErrNoEnd, len(frame)))
		default:
			return nil, Info{}, s.err
		}
	}
}

// Skipped says how many bytes belonged to no whole frame, and what was wrong last, nil if nothing ever was.
func (s *Splitter) Skipped() (bytes int64, why error) { return s.skipped, s.fault }

// fill reads once more. The buffer doubles until it has max bytes.
func (s *Splitter) fill() {
	if s.start > 0 {
		s.buf = s.buf[:copy(s.buf, s.buf[s.start:])]
		s.start = 0
	}
	if len(s.buf) == cap(s.buf) {
		bigger := make([]byte, len(s.buf), min(max(2*cap(s.buf), 64<<10), s.max))
		copy(bigger, s.buf)
		s.buf = bigger
	}
	for range 100 { // as bufio does: a reader that never gives anything is a fault
		n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf, s.err = s.buf[:len(s.buf)+n], err
		if n > 0 || err != nil {
			return
		}
	}
	s.err = io.ErrNoProgress
}

// skip gives the current frame up and goes to where the next one may begin.
func (s *Splitter) skip(why error) {
	s.fault = why
	b := s.buf[s.start:]
	n := len(b)
	if i := bytes.Index(b[1:], []byte{0xFF, mSOI}); i >= 0 {
		n = 1 + i
	} else if n > 1 && b[n-1] == 0xFF {
		n-- // perhaps the first half of an SOI
	}
	s.skipped += int64(n)
	s.next(n)
}

// next begins anew n bytes further.
func (s *Splitter) next(n int) {
	s.start += n
	s.walk, s.whole = walker{}, false
}
