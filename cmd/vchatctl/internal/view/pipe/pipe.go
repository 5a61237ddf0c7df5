// Package pipe writes the frames of a feed to a pipe, as JPEG images one after
// the other.
//
// Guarantees:
//   - It writes the frames as the daemon sends them, and nothing else. Only a
//     frame without a JFIF segment gets one, by which players recognise the
//     stream.
//   - A slow reader gets fewer frames, not older ones.
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

	"vchat/cmd/vchatctl/internal/view"
	"vchat/daemon/mjpeg"
)

// Copy writes frames to stdout. It returns nil when the feed ends or the reader
// closes the pipe, the cause of ctx when that ends, and otherwise the error of
// the feed or of the write.
func Copy(ctx context.Context, stdout *os.File, n *view.Newest) error {
	out := view.Interruptible(ctx, stdout)
	defer out.Close()
	var buf []byte
	for {
		p, err := n.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		buf = mjpeg.AppendJFIF(buf[:0], p.Data)
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
