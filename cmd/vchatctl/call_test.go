package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"vchat/daemon/api"
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

func TestNoFrames(t *testing.T) {
	for _, tt := range []struct {
		camera *api.PeerCamera
		end    string
	}{
		{nil, "has come for 10s"},
		{&api.PeerCamera{State: "opening"}, "has come for 10s"},
		{&api.PeerCamera{State: "lost", Reason: "unplugged"}, "has come for 10s: unplugged"},
	} {
		err := noFrames(api.Call{Peer: "workshop", PeerCamera: tt.camera})
		if exitCode(err) != exitCamera || !strings.HasSuffix(err.Error(), tt.end) {
			t.Errorf("%+v: got %q with exit code %d, want … %q with %d", tt.camera, err, exitCode(err), tt.end, exitCamera)
		}
	}
}
