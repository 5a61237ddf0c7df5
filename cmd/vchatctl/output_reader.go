package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// whileRead gives a context that also ends when nobody reads standard output any more: where little is written, as by
// events, the next write could be hours away. Its cause is EPIPE then. The caller calls stop.
func (a *app) whileRead(ctx context.Context) (_ context.Context, stop func()) {
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
		// Without events asked for, poll(2) tells of errors alone: of a pipe, that its last reader has gone.
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
