package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// maxFrame is the maximum size of a frame in bytes.
const maxFrame = 16 << 20

var errNotJPEG = errors.New("not a JPEG stream")

// A splitter splits a stream of concatenated JPEG frames at their markers. It
// does not use the splitter of package mjpeg: a test must not share the bugs of
// the code under test.
type splitter struct {
	r   *bufio.Reader
	buf []byte
}

func newSplitter(r io.Reader) *splitter { return &splitter{r: bufio.NewReaderSize(r, 1<<16)} }

// next returns the next frame, which is valid until the next call. At the end
// of the stream the error is io.EOF, within a frame io.ErrUnexpectedEOF. For
// invalid bytes it is errNotJPEG.
func (s *splitter) next() ([]byte, error) {
	s.buf = s.buf[:0]
	if b, err := s.byte(); err != nil {
		return nil, err
	} else if b != 0xff {
		return nil, fmt.Errorf("%w: first byte of a frame is %#02x", errNotJPEG, b)
	}
	for first := true; ; first = false {
		marker, err := s.byte()
		if err != nil {
			return nil, unexpected(err)
		}
		switch {
		case first != (marker == 0xd8):
			return nil, fmt.Errorf("%w: marker %#02x", errNotJPEG, marker)
		case marker == 0xd9: // EOI
			return s.buf, nil
		case first:
		default:
			if err := s.segment(); err != nil {
				return nil, unexpected(err)
			}
		}
		if marker == 0xda { // SOS: coded data up to a marker that is not a restart marker
			err = s.scan()
		} else {
			err = s.marker()
		}
		if err != nil {
			return nil, unexpected(err)
		}
	}
}

func (s *splitter) byte() (byte, error) {
	b, err := s.r.ReadByte()
	if err == nil {
		if len(s.buf) >= maxFrame {
			return 0, fmt.Errorf("%w: frame larger than %d bytes", errNotJPEG, maxFrame)
		}
		s.buf = append(s.buf, b)
	}
	return b, err
}

// marker reads the 0xff before a marker.
func (s *splitter) marker() error {
	if b, err := s.byte(); err != nil {
		return err
	} else if b != 0xff {
		return fmt.Errorf("%w: %#02x instead of a marker", errNotJPEG, b)
	}
	return nil
}

func (s *splitter) segment() error {
	hi, err := s.byte()
	if err != nil {
		return err
	}
	lo, err := s.byte()
	if err != nil {
		return err
	}
	n := int(hi)<<8 | int(lo)
	if n < 2 {
		return fmt.Errorf("%w: segment of length %d", errNotJPEG, n)
	}
	at := len(s.buf)
	s.buf = append(s.buf, make([]byte, n-2)...)
	_, err = io.ReadFull(s.r, s.buf[at:])
	return err
}

// scan reads coded data and the 0xff of the marker after it.
func (s *splitter) scan() error {
	for {
		b, err := s.byte()
		if err != nil {
			return err
		}
		if b != 0xff {
			continue
		}
		next, err := s.r.Peek(1)
		if err != nil {
			return err
		}
		if m := next[0]; m == 0 || m >= 0xd0 && m <= 0xd7 { // a stuffed 0xff, or a restart marker
			if _, err := s.byte(); err != nil {
				return err
			}
			continue
		}
		return nil
	}
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
