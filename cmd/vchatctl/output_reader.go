package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// readerContext returns a context that is also canceled when standard output is
// a pipe and its last reader closes it; the cause wraps EPIPE. Commands such as
// events need it: their next write, which would fail, can be hours away. The
// caller must call stop.
func (a *app) readerContext(ctx context.Context) (_ context.Context, stop func()) {
	info, err := a.stdout.Stat()
	if err != nil || info.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
		return ctx, func() {}
	}
	wakeR, wakeW, err := os.Pipe()
	if err != nil {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		// With no events requested, poll(2) reports errors only. POLLERR on a
		// pipe means that its last reader has closed it.
		fds := []unix.PollFd{{Fd: int32(a.stdout.Fd())}, {Fd: int32(wakeR.Fd())}}
		for {
			_, err := unix.Poll(fds, -1)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err == nil && fds[0].Revents != 0 {
				cancel(fmt.Errorf("standard output: %w", unix.EPIPE))
			}
			return
		}
	}()
	return ctx, func() {
		wakeW.Close()
		<-done
		wakeR.Close()
		cancel(nil)
	}
}
