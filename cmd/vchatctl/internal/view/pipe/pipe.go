// Package pipe views a feed by writing its frames one after the other, byte for byte as they came, for other programs.
// It promises that nothing else is written, and that a reader which is slow gets fewer frames instead of late ones. It
// starts no goroutine.
package pipe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"vchat/cmd/vchatctl/internal/view"
)

// Copy writes frames to stdout until the feed or its reader ends, both of which give nil, or ctx, whose cause it gives.
// Other errors are those of the feed and of writing.
func Copy(ctx context.Context, stdout *os.File, n *view.Newest) error {
	out := view.Interruptible(ctx, stdout)
	defer out.Close()
	for {
		p, err := n.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch _, err := out.Write(p.Data); {
		case err == nil:
		case errors.Is(err, unix.EPIPE):
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		default:
			return fmt.Errorf("writing frames: %w", err)
		}
	}
}
