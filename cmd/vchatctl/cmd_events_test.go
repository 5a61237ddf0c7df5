package main

import (
	"testing"

	"vchat/daemon/api"
)

func TestCallText(t *testing.T) {
	for _, tt := range []struct {
		call api.Call
		want string
	}{
		{api.Call{State: api.CallRinging}, "workshop  ringing"},
		{api.Call{State: api.CallActive, Frames: true, PeerCamera: &api.PeerCamera{State: "streaming"}}, "workshop  active  with frames"},
		{api.Call{State: api.CallActive, PeerCamera: &api.PeerCamera{State: "lost", Reason: "unplugged"}},
			"workshop  active  camera there lost  unplugged"},
		{api.Call{State: api.CallEnded, Reason: api.HungUp, ReasonText: "hung up", EndedBy: api.There}, "workshop  ended  hung up  by them"},
		{api.Call{State: api.CallEnded, Reason: api.HungUp, ReasonText: "hung up", EndedBy: api.Here}, "workshop  ended  hung up  by us"},
		{api.Call{State: api.CallEnded, Reason: api.NoAnswer, ReasonText: "no answer", EndedBy: api.Here}, "workshop  ended  no answer"},
		{api.Call{State: api.CallEnded, Reason: api.Failed}, "workshop  ended  failed"},
	} {
		tt.call.Peer = "workshop"
		if got := callText(&tt.call); got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.call, got, tt.want)
		}
	}
}
