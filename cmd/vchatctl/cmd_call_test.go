package main

import (
	"strings"
	"testing"

	"vchat/daemon/api"
)

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
