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
//
// It reads every byte a bounded number of times, whatever the stream. Nothing
// inside a segment begins a frame, such as a thumbnail. The exception is a
// segment of tables whose length is wrong, so that no marker follows.
type Splitter struct {
	r          io.Reader
	max        int
	buf        []byte
	frameStart int // offset of the current frame in buf, or of the search for one
	walker     walker
	found      bool  // there is a frame at frameStart
	delivered  bool  // Next has returned the current frame
	noRewind   int64 // stream offset: the search has returned to a segment before it
	offset     int64 // stream offset of buf
	skipped    int64
	broken     int64
	dropped    bool // a frame was dropped since the last complete one
	fault      error
	err        error // the reader's
	read       int64 // bytes looked at, for tests
}

// NewSplitter returns a splitter of r. max is the largest frame in bytes, and
// the most that the splitter holds in memory.
func NewSplitter(r io.Reader, max int) *Splitter { return &Splitter{r: r, max: max} }

// Next returns the next complete frame, valid until the next call. Like Check
// it accepts frames without EOI that have all their MCUs; Complete mends them.
// It skips damaged frames, see Broken and Skipped. At the end of the stream it
// returns io.EOF. Any other error is the reader's.
func (s *Splitter) Next() ([]byte, Info, error) {
	if s.delivered {
		s.advance(s.walker.info.End)
	}
	for {
		if !s.found && !s.findStart() {
			if s.err != nil {
				s.skip(len(s.buf)-s.frameStart, ErrNoStart)
				return nil, Info{}, s.err
			}
			s.fill()
			continue
		}
		frame := s.buf[s.frameStart:]
		result := s.walker.walk(frame)
		switch {
		case result == errMore && len(frame) >= s.max:
			s.drop(fmt.Errorf("%w: more than %d bytes", ErrTooLarge, s.max), result)
			continue
		case result == errMore && s.err == nil:
			s.fill()
			continue
		}
		if s.needsVerify(result) {
			s.read += int64(s.walker.pos)
		}
		if err := s.walker.verify(frame, result); err != nil {
			s.drop(err, result)
			continue
		}
		s.delivered, s.dropped = true, false
		s.read += s.walker.read
		info := s.walker.info
		return frame[:info.End:info.End], info, nil
	}
}

func (s *Splitter) needsVerify(result error) bool {
	return result == errMore || result == errStart || result == nil && s.walker.info.junk > 0
}

// Skipped returns the number of bytes outside complete frames and the last
// reason, nil if nothing was skipped.
func (s *Splitter) Skipped() (bytes int64, why error) { return s.skipped, s.fault }

// Broken returns the number of frames that were skipped because they are
// damaged, truncated, too large or unsupported.
func (s *Splitter) Broken() int64 { return s.broken }

// findStart moves to the next SOI in the buffer and reports whether there is
// one.
func (s *Splitter) findStart() bool {
	b := s.buf[s.frameStart:]
	n := bytes.Index(b, startOfImage)
	found := n >= 0
	if !found {
		n = len(b)
		if n > 0 && b[n-1] == 0xFF {
			n-- // may be the first half of an SOI
		}
	}
	s.read += int64(n)
	s.skip(n, ErrNoStart)
	s.found, s.walker = found, newWalker(0)
	s.walker.suspect = s.dropped
	return found
}

// fill reads once. The buffer doubles up to max bytes.
func (s *Splitter) fill() {
	if s.frameStart > 0 {
		s.buf = s.buf[:copy(s.buf, s.buf[s.frameStart:])]
		s.offset += int64(s.frameStart)
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

// drop drops the current frame; result is the walker's. The next one can begin
// where the walker stopped. If no marker follows a segment, its length may be
// wrong, and the next frame can begin inside it. The search returns there only
// once, so that the work stays linear.
func (s *Splitter) drop(why, result error) {
	w := &s.walker
	s.read += w.read
	if w.segments > 0 {
		s.broken++
	}
	n := w.pos
	here := s.offset + int64(s.frameStart)
	switch {
	case result == errMore && w.atApplicationData(s.buf[s.frameStart:]):
		n = len(s.buf) - s.frameStart
	case w.beforeJunk > 0 && here+int64(w.beforeJunk) >= s.noRewind &&
		!isApplicationData(s.buf[s.frameStart+w.beforeJunk+1]):
		s.noRewind = here + int64(n)
		n = w.beforeJunk + 2
	}
	s.skip(n, why)
	s.dropped = true
}

// atApplicationData reports whether the walker stopped at an application
// segment that is not complete.
func (w *walker) atApplicationData(b []byte) bool {
	return w.state != inScan && w.pos+1 < len(b) && b[w.pos] == 0xFF && isApplicationData(b[w.pos+1])
}

// isApplicationData reports whether segments with marker m can have thumbnails.
func isApplicationData(m byte) bool { return m >= mAPP0 && m <= mAPP0+15 || m == mCOM }

// skip skips n bytes outside complete frames.
func (s *Splitter) skip(n int, why error) {
	if n > 0 {
		s.skipped += int64(n)
		if !s.dropped || why != ErrNoStart {
			s.fault = why
		}
	}
	s.advance(n)
}

// advance starts the search for the next frame n bytes further on.
func (s *Splitter) advance(n int) {
	s.frameStart += n
	s.found, s.delivered = false, false
}
