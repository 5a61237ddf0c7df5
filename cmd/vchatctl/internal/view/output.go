package view

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Output is a file whose writes end with a context, even if its reader has
// stopped reading.
type Output struct {
	*os.File
	reopened bool // File is ours to close
	stop     func() bool
	expired  chan struct{}
}

// Interruptible opens out a second time, without blocking, so that a deadline
// can end a write. It leaves out itself unchanged, because other programs may
// share it.
//
// This works for pipes and terminals. Other files, and those that cannot be
// opened again, are written to directly and without a deadline. The caller
// closes the Output; that does not close out.
func Interruptible(ctx context.Context, out *os.File) *Output {
	o := &Output{File: out, expired: make(chan struct{})}
	if info, err := out.Stat(); err == nil && info.Mode()&(fs.ModeNamedPipe|fs.ModeCharDevice) != 0 {
		path := fmt.Sprintf("/proc/self/fd/%d", out.Fd())
		if f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0); err == nil {
			o.File, o.reopened = f, true
		}
	}
	o.stop = context.AfterFunc(ctx, func() {
		defer close(o.expired)
		_ = o.SetWriteDeadline(time.Now()) // fails for files without deadlines
	})
	return o
}

// Finish sets a new deadline for the last writes, whether or not the context
// has ended.
func (o *Output) Finish(timeout time.Duration) {
	if !o.stop() {
		<-o.expired
	}
	_ = o.SetWriteDeadline(time.Now().Add(timeout))
}

// Close releases the Output and leaves the original file open.
func (o *Output) Close() error {
	o.stop()
	if !o.reopened {
		return nil
	}
	return o.File.Close()
}
