package camera

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/mjpeg"
)

// fileSource plays the JPEG frames of a file, in a loop.
type fileSource struct {
	sourceEnv
	file      *os.File
	path      string
	splitter  *frameSplitter
	pace      *pacer
	seq       uint64
	hasFrames bool          // since the start of the file
	began     time.Time     // of the present next
	limit     time.Duration // for it
}

// maxFrame is the largest frame of a file or a command, in bytes.
const maxFrame = 16 << 20

// maxReadTime is how long a search for a frame may delay a wake.
const maxReadTime = 50 * time.Millisecond

func openFile(e sourceEnv, path string) (*fileSource, error) {
	info, err := os.Stat(path) // first: to open a pipe waits for its writer
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "play", Path: path, Err: errors.New("not a regular file")}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s := &fileSource{sourceEnv: e, file: f, path: path, pace: newPacer(e.cfg.FPS)}
	s.splitter = newFrameSplitter(s, e.counters)
	return s, nil
}

// Read implements io.Reader for the splitter. It ends a search for frames that
// takes long, in a large file that has none.
func (f *fileSource) Read(b []byte) (int, error) {
	switch took := time.Since(f.began); {
	case took > maxReadTime && f.pace.takeWake():
		return 0, errWoken
	case took > f.limit:
		return 0, errTimeout
	}
	return f.file.Read(b)
}

func (f *fileSource) info() sourceInfo {
	return sourceInfo{device: "file:" + f.path, format: "mjpeg", fps: float64(f.cfg.FPS)}
}

func (f *fileSource) next(wait time.Duration) (*frame.Frame, error) {
	if _, err := f.pace.wait(wait); err != nil {
		return nil, err
	}
	f.began, f.limit = time.Now(), max(wait, minFrameTimeout)
	b, info, err := f.read()
	if err == errWoken || err == errTimeout { // the splitter keeps the error
		f.splitter = newFrameSplitter(f, f.counters)
	}
	if err != nil {
		return nil, err
	}
	fr := jpegFrame(f.pool, b, info)
	f.seq++
	fr.Seq, fr.Captured = f.seq, f.cfg.now()
	fr.Arrived = fr.Captured
	return fr, nil
}

// read returns the next frame. After the last one, it starts from the
// beginning.
func (f *fileSource) read() ([]byte, mjpeg.Info, error) {
	for {
		b, info, err := f.splitter.next()
		switch {
		case err == nil:
			f.hasFrames = true
			return b, info, nil
		case err == errWoken, err == errTimeout:
			return nil, info, err
		case err != io.EOF:
			return nil, info, fmt.Errorf("play %s: %w", f.path, err)
		case !f.hasFrames:
			return nil, info, fmt.Errorf("play %s: %w", f.path, f.splitter.noFramesReason(errBrokenFile))
		}
		if _, err := f.file.Seek(0, io.SeekStart); err != nil {
			return nil, info, err
		}
		f.splitter, f.hasFrames = newFrameSplitter(f, f.counters), false
	}
}

func (f *fileSource) restart() error        { return errors.ErrUnsupported }
func (f *fileSource) noFramesError() error  { return errNoFrames }
func (f *fileSource) lowRateReason() string { return "" }
func (f *fileSource) wake()                 { f.pace.wake() }
func (f *fileSource) close()                { f.file.Close() }
