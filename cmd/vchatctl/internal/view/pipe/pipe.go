// Package pipe writes the frames of a feed to a pipe for a player: as JPEG
// images one after the other, or as Matroska with capture times.
//
// Guarantees:
//   - It writes the frames as the daemon sends them, and nothing else. In MJPEG
//     a frame without a JFIF segment gets one, by which players recognise the
//     stream.
//   - The rotation is in each frame (EXIF), or in the track of Matroska
//     (ProjectionPoseRoll). Not every player reads both, so a rotation is
//     reported with what to add to the player that ignores it.
//   - A slow reader gets fewer frames, not older ones. At most one page of the
//     pipe and the frame being written are older than the newest frame.
//   - A reader that stops costs no memory. When it reads again, it gets the
//     rest of one frame, and then the newest.
//
// It starts no goroutine.
package pipe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"vchat/cmd/vchatctl/internal/record"
	"vchat/cmd/vchatctl/internal/view"
	"vchat/daemon/mjpeg"
)

// Format is the format of the stream.
type Format string

// The formats.
const (
	MJPEG    Format = "mjpeg" // JPEG images, without times
	Matroska Format = "mkv"   // with capture times
)

// Copy writes frames to stdout. It calls logf when the rotation of the frames
// changes, from no rotation at first. It returns nil when the feed ends or the
// reader closes the pipe, the cause of ctx when that ends, and otherwise the
// error of the feed or of the write.
func Copy(ctx context.Context, stdout *os.File, n *view.Newest, format Format, logf func(string, ...any)) error {
	out := view.Interruptible(ctx, stdout)
	defer out.Close()
	shrink(out.File)
	var (
		buf, jfif []byte
		live      record.Live
		turned    = rotation{format: format}
	)
	for {
		p, err := n.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if format != Matroska {
			jfif = mjpeg.AppendJFIF(jfif[:0], p.Data)
			buf = mjpeg.Orient(buf[:0], jfif, p.Rotate)
		} else if buf, err = live.AppendFrame(buf[:0], &p.Frame); err != nil {
			continue // no first frame yet
		}
		if note := turned.change(p.Rotate); note != "" {
			logf("%s", note)
		}
		switch _, err := out.Write(buf); {
		case err == nil:
		case errors.Is(err, unix.EPIPE):
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		default:
			return fmt.Errorf("write frame: %w", err)
		}
	}
}

// shrink makes a pipe as small as the kernel allows, one page. Its usual 64 KiB
// are half a second of small frames, by which a slow reader would be late.
func shrink(pipe *os.File) {
	if c, err := pipe.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { // fails for anything but a pipe
			_, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, os.Getpagesize())
		})
	}
}

// rotation is how the frames of a stream are turned.
type rotation struct {
	format      Format
	begun       bool
	first, last int // degrees
}

// change sets the rotation of the next frame. It returns what to print
// when it differs from that of the frame before, and "" otherwise.
func (r *rotation) change(degrees int) string {
	if !r.begun {
		r.begun, r.first = true, degrees
	}
	if degrees == r.last {
		return ""
	}
	r.last = degrees
	now := fmt.Sprintf("frames are turned by %d degrees", degrees)
	if degrees == 0 {
		now = "frames are no longer turned"
	}
	switch {
	case r.format == Matroska && degrees != r.first: // the track has been written
		return now + "; start the player again"
	case degrees == 0:
		return now
	case r.format == Matroska: // mpv 0.35 ignores ProjectionPoseRoll
		return fmt.Sprintf("%s; if mpv does not turn them, add --video-rotate=%d", now, degrees)
	}
	return fmt.Sprintf("%s; if ffplay does not turn them, add -vf %s", now, ffplayFilters[degrees])
}

// ffplayFilters turn frames clockwise. ffplay 5.1 ignores EXIF.
var ffplayFilters = map[int]string{90: "transpose=1", 180: "hflip,vflip", 270: "transpose=2"}
