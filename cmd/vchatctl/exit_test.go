package main

import (
	"fmt"
	"syscall"
	"testing"

	"vchat/daemon/client"
)

func TestExitCode_brokenPipe(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want int
	}{
		{"standard output", fmt.Errorf("write standard output: %w", syscall.EPIPE), exitSuccess},
		{"daemon", fmt.Errorf("%w at %s (%w)", client.ErrUnreachable, "/run/x", syscall.EPIPE), exitNoDaemon},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := exitCode(tt.err); got != tt.want {
				t.Errorf("%v: got exit code %d, want %d", tt.err, got, tt.want)
			}
		})
	}
}
