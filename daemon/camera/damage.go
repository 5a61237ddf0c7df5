package camera

import (
	"fmt"
	"io"

	"vchat/daemon/mjpeg"
)

// frameSplitter splits the stream of a file or a command into frames, and
// counts broken ones as for a V4L2 camera. It is for one goroutine.
type frameSplitter struct {
	splitter *mjpeg.Splitter
	reader   io.Reader
	counters *counters
	counted  int64 // broken frames that are in counters
}

func newFrameSplitter(r io.Reader, c *counters) *frameSplitter {
	s := &frameSplitter{reader: r, counters: c}
	s.splitter = mjpeg.NewSplitter(s, maxFrame)
	return s
}

// Read implements io.Reader for the splitter. It counts first, because a stream
// may have no good frame at all.
func (s *frameSplitter) Read(b []byte) (int, error) {
	s.count()
	return s.reader.Read(b)
}

// next returns the next good frame, valid until the next call. The errors are
// those of the reader, and io.EOF.
func (s *frameSplitter) next() ([]byte, mjpeg.Info, error) {
	for {
		b, info, err := s.splitter.Next()
		s.count()
		if err == nil && !sizeOK(info.Width, info.Height) {
			s.counters.countBroken(defectWrongSize)
			continue
		}
		return b, info, err
	}
}

// broken returns the number of broken frames so far.
func (s *frameSplitter) broken() int64 { return s.counted }

// noFramesReason returns why a stream without a good frame has none: no JPEG at
// all, or onlyBroken.
func (s *frameSplitter) noFramesReason(onlyBroken error) error {
	err := errNoJPEG
	if s.splitter.Broken() > 0 {
		err = onlyBroken
	}
	if _, why := s.splitter.Skipped(); why != nil {
		return fmt.Errorf("%w: %w", err, why)
	}
	return err
}

// count adds the splitter's new broken frames to the counters.
func (s *frameSplitter) count() {
	_, why := s.splitter.Skipped()
	for n := s.splitter.Broken(); s.counted < n; s.counted++ {
		s.counters.countBroken(defectOf(why))
	}
}
