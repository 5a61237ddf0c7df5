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
		{api.Call{State: api.CallActive, HasFrames: true, PeerCamera: &api.PeerCamera{State: "streaming"}}, "workshop  active  with frames"},
		{api.Call{State: api.CallActive, PeerCamera: &api.PeerCamera{State: "lost", Reason: "unplugged"}},
			"workshop  active  camera there lost  unplugged"},
		{api.Call{State: api.CallEnded, Reason: api.ReasonHungUp, ReasonText: "hung up", EndedBy: api.SideRemote}, "workshop  ended  hung up  by them"},
		{api.Call{State: api.CallEnded, Reason: api.ReasonHungUp, ReasonText: "hung up", EndedBy: api.SideLocal}, "workshop  ended  hung up  by us"},
		{api.Call{State: api.CallEnded, Reason: api.ReasonNoAnswer, ReasonText: "no answer", EndedBy: api.SideLocal}, "workshop  ended  no answer"},
		{api.Call{State: api.CallEnded, Reason: api.ReasonFailed}, "workshop  ended  failed"},
	} {
		tt.call.Peer = "workshop"
		if got := callText(&tt.call); got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.call, got, tt.want)
		}
	}
}
