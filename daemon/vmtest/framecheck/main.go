// Command framecheck reads JPEG frames, one after the other, from its standard input and compares each with what the
// emulated camera (uvcsim) must have sent: it makes the frame again from the stamp in it.
//
//	vchatctl view bob --to pipe | framecheck [-camera N] [-size WxH] [-skip N] [-count N] [-every DURATION]
//
// The first N frames (-skip) are not looked at: while everything starts, slow emulation loses some. It prints a report as one line of JSON at the end: of the stream, after N frames of the camera, or at a signal; with
// -every also while it goes on. The exit status is 1 if the stream was not made of JPEG frames.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	camera := flag.Uint("camera", 1, "the camera's number in its stamps")
	size := flag.String("size", "1280x720", "size of the frames")
	skip := flag.Int("skip", 0, "frames to leave out at the beginning")
	count := flag.Int("count", 0, "end after this many frames of the camera (0: at the stream's end)")
	every := flag.Duration("every", 0, "print a report this often, too")
	flag.Parse()
	var w, h int
	if _, err := fmt.Sscanf(*size, "%dx%d", &w, &h); err != nil || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// Only a descriptor that does not block can be closed while it is read.
	if err := unix.SetNonblock(0, true); err != nil {
		fmt.Fprintln(os.Stderr, "framecheck: standard input:", err)
		os.Exit(1)
	}
	if err := run(ctx, os.NewFile(0, "stdin"), os.Stdout, newChecker(uint32(*camera), w, h, *skip), *count, *every); err != nil {
		fmt.Fprintln(os.Stderr, "framecheck:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, in io.ReadCloser, out io.Writer, c *checker, count int, every time.Duration) error {
	defer context.AfterFunc(ctx, func() { in.Close() })()
	s := newSplitter(in)
	printed := time.Now()
	var err error
	for count == 0 || c.stamped < count {
		var jpg []byte
		if jpg, err = s.next(); err != nil {
			break
		}
		c.see(jpg, monotonic())
		if every > 0 && time.Since(printed) >= every {
			printed = time.Now()
			if err := write(out, c.result()); err != nil {
				return err
			}
		}
	}
	r := c.result()
	if errors.Is(err, io.EOF) || ctx.Err() != nil {
		err = nil
	}
	if err != nil {
		r.Error = err.Error()
	}
	return errors.Join(err, write(out, r))
}

func write(out io.Writer, r report) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = out.Write(append(b, '\n'))
	return err
}

func monotonic() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0 // cannot be: the clock exists on every Linux
	}
	return ts.Nano()
}
