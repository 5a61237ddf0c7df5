// Package record writes the frames of a feed to a file, in Matroska or as
// Motion JPEG.
//
//	Source ─▶ Buffer (a goroutine) ─▶ Recording.Add ─▶ format ─▶ file
//
// Guarantees:
//   - The file is playable whenever the writer stops, even by SIGKILL or on a
//     full disk: each frame is written as a whole before Add returns.
//   - Matroska keeps the intervals at which the frames were captured.
//   - Frames are not encoded again. The rotation is stored in the track
//     (Matroska's ProjectionPoseRoll) or in each frame (EXIF).
//
// Goroutines: a Buffer has one, and Close waits for it. A Recording has none.
package record

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"vchat/cmd/vchatctl/internal/newfile"
	"vchat/daemon/client"
)

// ErrFormat is an error of Create.
var ErrFormat = errors.New("unsupported format; use .mkv or .mjpeg")

// format is a file format.
type format interface {
	// appendFrame appends to dst what a frame adds to the file. The frame was
	// captured this long after the first one.
	appendFrame(dst []byte, f *client.Frame, at time.Duration) ([]byte, error)
	// finish adds an index and the length to a file of this size. The file is
	// playable without it. The last appended frame may not have been written.
	finish(f *os.File, size int64, length time.Duration) error
}

// formats lists the formats by file extension.
var formats = map[string]func() format{
	".mkv":   func() format { return &matroska{} },
	".mjpeg": func() format { return &motionJPEG{} },
	".mjpg":  func() format { return &motionJPEG{} },
}

// Recording is a file being written. Its methods are for one goroutine at a
// time.
type Recording struct {
	file   *newfile.File // published with the first frame
	path   string
	format format
	buf    []byte
	failed bool

	start  time.Duration // capture time of the first frame
	seq    uint64        // of the last frame
	Totals Totals
}

// Totals describes the content of a recording.
type Totals struct {
	Frames uint64        // from the camera
	Cards  uint64        // in place of frames
	Lost   uint64        // missing frames, by the gaps in the frame numbers
	Length time.Duration // from the first frame to the last
	Bytes  int64
}

// Create creates a recording, in the format of the file's extension. It writes
// to devices and pipes as they are. Errors: ErrFormat, those of newfile.Create,
// and those of the system. Unless replace is set, Add returns
// newfile.ErrExists if another file appears before the first frame.
func Create(path string, replace bool) (*Recording, error) {
	newFormat := formats[strings.ToLower(filepath.Ext(path))]
	if newFormat == nil {
		return nil, fmt.Errorf("%s: %w", path, ErrFormat)
	}
	file, err := newfile.Create(path, replace)
	if err != nil {
		return nil, err
	}
	return &Recording{file: file, path: path, format: newFormat()}, nil
}

// Path returns the path that Create got.
func (r *Recording) Path() string { return r.path }

// Add writes a frame. After a failed write the file keeps the frames before,
// and Add returns os.ErrClosed.
func (r *Recording) Add(f *client.Frame) error {
	if r.failed {
		return os.ErrClosed
	}
	captured := captureTime(f)
	if r.Totals.Frames+r.Totals.Cards == 0 {
		r.start = captured
	}
	at := max(captured-r.start, r.Totals.Length)
	var err error
	if r.buf, err = r.format.appendFrame(r.buf[:0], f, at); err != nil {
		return err
	}
	// A single write, so that SIGKILL between two frames leaves whole frames.
	if _, err = r.file.Write(r.buf); err != nil {
		r.failed = true
		if r.file.Regular {
			_ = r.file.Truncate(r.Totals.Bytes)
		}
		return pathError(r.path, err)
	}
	if err := r.file.Publish(); err != nil {
		r.failed = true
		return err
	}
	r.count(f, at)
	return nil
}

// captureTime returns when a frame was captured. Only differences count.
func captureTime(f *client.Frame) time.Duration {
	if f.Monotonic != 0 {
		return f.Monotonic
	}
	return time.Duration(f.Captured.UnixNano()) // an older daemon
}

func (r *Recording) count(f *client.Frame, at time.Duration) {
	t := &r.Totals
	// After a restart of the daemon, frame numbers start again.
	if gap := f.Seq - r.seq; t.Frames+t.Cards > 0 && f.Seq > r.seq+1 {
		t.Lost += gap - 1
	}
	r.seq = f.Seq
	t.Length, t.Bytes = at, t.Bytes+int64(len(r.buf))
	if f.Card {
		t.Cards++
	} else {
		t.Frames++
	}
}

// Close finishes the recording and syncs it to disk. Without frames it leaves
// no file, or the one that it was to replace.
func (r *Recording) Close() error {
	if !r.file.Regular || r.Totals.Bytes == 0 {
		return r.file.Close()
	}
	err := r.format.finish(r.file.File, r.Totals.Bytes, r.Totals.Length)
	err = cmp.Or(err, r.file.Sync(), r.file.Close())
	if err != nil && !r.failed { // after a failed write, Add has returned the cause
		return pathError(r.path, err)
	}
	return nil
}

// pathError returns an error without the name of the system call.
func pathError(path string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}
