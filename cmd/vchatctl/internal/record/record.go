// Package record writes a feed's frames into a file, as they are: each is written whole by the time Add returns.
//
// It promises that the file is playable whenever its writer ends, if only by SIGKILL, a full disk included; that frames keep the
// distances in time at which they were taken; and that none is encoded again. A frame that is to be shown turned says so: in
// Matroska the track does (ProjectionPoseRoll), elsewhere the frame itself (EXIF).
//
// A Recording starts no goroutine; an Ahead has one, for which Close waits.
package record

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vchat/daemon/client"
)

// What Create refuses.
var (
	ErrExists = errors.New("the file is there already")
	ErrFormat = errors.New("what is recorded is .mkv or .mjpeg")
)

// format is how frames are laid into a file.
type format interface {
	// append appends to dst what the frame, taken at this time since the first one, adds to the file.
	append(dst []byte, f *client.Frame, at time.Duration) ([]byte, error)
	// finish makes the file of this size and length easier to read, once all is written; what was appended last may be missing.
	// Without it the file is complete as well.
	finish(f *os.File, size int64, length time.Duration) error
}

// formats are by the file's extension.
var formats = map[string]func() format{
	".mkv":   func() format { return &matroska{} },
	".mjpeg": func() format { return motion{} },
	".mjpg":  func() format { return motion{} },
}

// Recording is a file that is written. Its methods are for one goroutine at a time.
type Recording struct {
	file    *os.File
	regular bool
	format  format
	buf     []byte
	failed  bool
	old     bool // the file holds what was there before, until the first frame comes

	begun  time.Duration // when the first frame was taken, on its clock
	seq    uint64        // of the last one
	Totals Totals
}

// Totals is what there is in a recording.
type Totals struct {
	Frames uint64
	Cards  uint64        // that stood in for frames, and are in it
	Lost   uint64        // frames that did not come, by the numbers of those around them
	Length time.Duration // from the first frame to the last
	Bytes  int64
}

// Create makes a recording in the format that its name's extension says. Errors: ErrExists, unless it may be replaced; ErrFormat;
// those of the system. What is no ordinary file is written to as it is.
func Create(path string, replace bool) (*Recording, error) {
	make := formats[strings.ToLower(filepath.Ext(path))]
	if make == nil {
		return nil, fmt.Errorf("%s: %w", path, ErrFormat)
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	info, err := os.Stat(path)
	regular := err != nil || info.Mode().IsRegular()
	if replace || !regular {
		flags = os.O_WRONLY | os.O_CREATE
	}
	file, err := os.OpenFile(path, flags, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s: %w", path, ErrExists)
	}
	if err != nil {
		return nil, plain(path, err)
	}
	return &Recording{file: file, regular: regular, format: make(), old: replace && regular && info != nil}, nil
}

// Add writes a frame behind those that there are. After an error the file holds what it held before, and takes no more.
func (r *Recording) Add(f *client.Frame) error {
	if r.failed {
		return os.ErrClosed
	}
	taken := f.Monotonic
	if taken == 0 { // an older daemon
		taken = time.Duration(f.Captured.UnixNano())
	}
	if r.Totals.Frames+r.Totals.Cards == 0 {
		r.begun = taken
	}
	at := max(taken-r.begun, r.Totals.Length)
	var err error
	if r.buf, err = r.format.append(r.buf[:0], f, at); err != nil {
		return err
	}
	if r.old {
		if err := r.file.Truncate(0); err != nil {
			return plain(r.file.Name(), err)
		}
		r.old = false
	}
	// In one go, so that whatever happens between two frames leaves a whole number of them.
	if _, err = r.file.Write(r.buf); err != nil {
		r.failed = true
		if r.regular {
			_ = r.file.Truncate(r.Totals.Bytes)
		}
		return plain(r.file.Name(), err)
	}
	r.count(f, at)
	return nil
}

func (r *Recording) count(f *client.Frame, at time.Duration) {
	t := &r.Totals
	// Numbers begin anew where the daemon does.
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

// Close finishes the recording; once it returns nil it is on the disk. A recording of nothing is taken away, and
// leaves what it was to replace.
func (r *Recording) Close() error {
	if !r.regular {
		return r.file.Close()
	}
	if r.old {
		return r.file.Close()
	}
	if r.Totals.Bytes == 0 {
		return errors.Join(r.file.Close(), os.Remove(r.file.Name()))
	}
	err := r.format.finish(r.file, r.Totals.Bytes, r.Totals.Length)
	err = cmp.Or(err, r.file.Sync(), r.file.Close())
	if err != nil && !r.failed { // on a full disk, the first error was the one to tell of
		return plain(r.file.Name(), err)
	}
	return nil
}

// plain says what the system says of a file, without the call that has failed.
func plain(path string, err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		err = of.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// Extensions are those that Create takes.
func Extensions() []string {
	var all []string
	for e := range formats {
		all = append(all, e)
	}
	slices.Sort(all)
	return all
}
