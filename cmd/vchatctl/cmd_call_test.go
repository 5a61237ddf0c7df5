package main

import (
	"strings"
	"testing"

	"vchat/daemon/api"
)

func TestNoFramesError_reason(t *testing.T) {
	for _, tt := range []struct {
		name       string
		camera     *api.PeerCamera
		wantSuffix string
	}{
		{"unknown", nil, "sent no frames within 10s"},
		{"no reason", &api.PeerCamera{State: "opening"}, "sent no frames within 10s"},
		{"reason", &api.PeerCamera{State: "lost", Reason: "unplugged"}, "sent no frames within 10s: unplugged"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := noFramesError(api.Call{Peer: "workshop", PeerCamera: tt.camera})
			if got := exitCode(err); got != exitCamera {
				t.Errorf("got exit code %d, want %d", got, exitCamera)
			}
			if !strings.HasSuffix(err.Error(), tt.wantSuffix) {
				t.Errorf("got %q, want … %q", err, tt.wantSuffix)
			}
		})
	}
}
