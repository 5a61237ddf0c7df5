package main

import (
	"fmt"
	"syscall"
	"testing"

	"vchat/daemon/client"
)

func TestAReaderThatHasEnoughIsToldFromADaemonThatIsGone(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want int
	}{
		{fmt.Errorf("writing to standard output: %w", syscall.EPIPE), exitDone},
		{fmt.Errorf("%w at %s (%w)", client.ErrUnreachable, "/run/x", syscall.EPIPE), exitNoDaemon},
	} {
		if got := exitCode(tt.err); got != tt.want {
			t.Errorf("%v: exit code %d, want %d", tt.err, got, tt.want)
		}
	}
}
