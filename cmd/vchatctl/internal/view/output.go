package view

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Output is where a viewer writes. A write to it ends with the context even where the reader has stopped reading.
type Output struct {
	*os.File
	again bool // opened by us
	stop  func() bool
	fired chan struct{}
}

// Interruptible opens out a second time, without blocking, so that a deadline can end a write. Out itself is left as it
// is, for other programs may share it. It works on pipes and terminals; anything else, and what may not be opened again,
// is written as it is. The caller closes the output; that leaves out open.
func Interruptible(ctx context.Context, out *os.File) *Output {
	o := &Output{File: out, fired: make(chan struct{})}
	if info, err := out.Stat(); err == nil && info.Mode()&(fs.ModeNamedPipe|fs.ModeCharDevice) != 0 {
		path := fmt.Sprintf("/proc/self/fd/%d", out.Fd())
		if f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0); err == nil {
			o.File, o.again = f, true
		}
	}
	o.stop = context.AfterFunc(ctx, func() {
		defer close(o.fired)
		_ = o.SetWriteDeadline(time.Now()) // refused by what cannot be interrupted
	})
	return o
}

// Finish gives what is still to be written a time of its own, whether the context has ended or not.
func (o *Output) Finish(within time.Duration) {
	if !o.stop() {
		<-o.fired
	}
	_ = o.SetWriteDeadline(time.Now().Add(within))
}

// Close closes what was opened.
func (o *Output) Close() error {
	o.stop()
	if !o.again {
		return nil
	}
	return o.File.Close()
}
