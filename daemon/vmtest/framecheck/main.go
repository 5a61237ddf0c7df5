// Command framecheck reads JPEG frames from its standard input and compares
// each with what the emulated camera (uvcsim) has sent. It makes that frame
// again from the stamp in the received one.
//
//	vchatctl view bob --to pipe | framecheck [-camera N] [-size WxH]
//		[-skip N] [-count N] [-every DURATION]
//
// It ignores the first N frames (-skip), because slow emulation loses frames
// during the start. It ends at the end of the stream, after N frames of the
// camera (-count) or by a signal. Then it prints a report as one line of JSON;
// with -every also during the stream. The exit status is 1 if the stream did
// not consist of JPEG frames.
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
	camera := flag.Uint("camera", 1, "number of the camera in its stamps")
	size := flag.String("size", "1280x720", "size of the frames")
	skip := flag.Int("skip", 0, "number of frames to ignore at the start")
	count := flag.Int("count", 0, "end after this many frames of the camera (0: at the end of the stream)")
	every := flag.Duration("every", 0, "also print a report at this interval")
	flag.Parse()
	var w, h int
	if _, err := fmt.Sscanf(*size, "%dx%d", &w, &h); err != nil || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// Close ends a Read only if the descriptor is non-blocking.
	if err := unix.SetNonblock(0, true); err != nil {
		fmt.Fprintln(os.Stderr, "framecheck: standard input:", err)
		os.Exit(1)
	}
	c := newChecker(uint32(*camera), w, h, *skip)
	if err := run(ctx, os.NewFile(0, "stdin"), os.Stdout, c, *count, *every); err != nil {
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
		c.check(jpg, monotonic())
		if every > 0 && time.Since(printed) >= every {
			printed = time.Now()
			if err := writeReport(out, c.result()); err != nil {
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
	return errors.Join(err, writeReport(out, r))
}

func writeReport(out io.Writer, r report) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = out.Write(append(b, '\n'))
	return err
}

// monotonic returns CLOCK_MONOTONIC in nanoseconds.
func monotonic() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0 // impossible: every Linux kernel has this clock
	}
	return ts.Nano()
}
