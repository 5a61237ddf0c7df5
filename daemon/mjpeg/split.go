package mjpeg

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ErrTooLarge reports a frame that is larger than the splitter's limit.
var ErrTooLarge = errors.New("frame too large")

// Splitter splits a stream of consecutive frames. It skips bytes between them.
type Splitter struct {
	r          io.Reader
	max        int
	buf        []byte
	frameStart int // offset of the current frame in buf
	walker     walker
	delivered  bool // Next has returned the current frame
	skipped    int64
	fault      error
	err        error // the reader's
}

// NewSplitter returns a splitter of r. max is the largest frame in bytes, and
// the most that the splitter holds in memory.
func NewSplitter(r io.Reader, max int) *Splitter { return &Splitter{r: r, max: max} }

// Next returns the next complete frame, valid until the next call. It skips
// damaged frames, see Skipped. At the end of the stream it returns io.EOF. Any
// other error is the reader's.
func (s *Splitter) Next() ([]byte, Info, error) {
	if s.delivered {
		s.startFrame(s.walker.info.End)
	}
	for {
		frame := s.buf[s.frameStart:]
		err := s.walker.walk(frame)
		switch {
		case err == nil:
			s.delivered = true
			info := s.walker.info
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

// Skipped returns the number of bytes outside complete frames and the last
// reason, nil if nothing was skipped.
func (s *Splitter) Skipped() (bytes int64, why error) { return s.skipped, s.fault }

// fill reads once. The buffer doubles up to max bytes.
func (s *Splitter) fill() {
	if s.frameStart > 0 {
		s.buf = s.buf[:copy(s.buf, s.buf[s.frameStart:])]
		s.frameStart = 0
	}
	if len(s.buf) == cap(s.buf) {
		bigger := make([]byte, len(s.buf), min(max(2*cap(s.buf), 64<<10), s.max))
		copy(bigger, s.buf)
		s.buf = bigger
	}
	for range 100 { // as in bufio: limits how often a reader returns 0, nil
		n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf, s.err = s.buf[:len(s.buf)+n], err
		if n > 0 || err != nil {
			return
		}
	}
	s.err = io.ErrNoProgress
}

// skip drops the current frame and moves to the next possible start.
func (s *Splitter) skip(why error) {
	s.fault = why
	b := s.buf[s.frameStart:]
	n := len(b)
	if i := bytes.Index(b[1:], []byte{0xFF, mSOI}); i >= 0 {
		n = 1 + i
	} else if n > 1 && b[n-1] == 0xFF {
		n-- // may be the first half of an SOI
	}
	s.skipped += int64(n)
	s.startFrame(n)
}

// next starts a new frame n bytes further on.
func (s *Splitter) startFrame(n int) {
	s.frameStart += n
	s.walker, s.delivered = walker{}, false
}
