package main

import (
	"testing"

	"vchat/daemon/api"
)

func TestCallText(t *testing.T) {
	for _, tt := range []struct {
		name string
		call api.Call
		want string
	}{
		{"ringing", api.Call{State: api.CallRinging}, "workshop  ringing"},
		{"frames", api.Call{State: api.CallActive, HasFrames: true, PeerCamera: &api.PeerCamera{State: "streaming"}},
			"workshop  active  with frames"},
		{"camera lost",
			api.Call{State: api.CallActive, PeerCamera: &api.PeerCamera{State: "lost", Reason: "unplugged"}},
			"workshop  active  their camera lost  unplugged"},
		{"peer hung up",
			api.Call{State: api.CallEnded, Reason: api.ReasonHungUp, ReasonText: "hung up", EndedBy: api.SideRemote},
			"workshop  ended  hung up  by workshop"},
		{"hung up here",
			api.Call{State: api.CallEnded, Reason: api.ReasonHungUp, ReasonText: "hung up", EndedBy: api.SideLocal},
			"workshop  ended  hung up  by you"},
		{"no answer",
			api.Call{State: api.CallEnded, Reason: api.ReasonNoAnswer, ReasonText: "no answer", EndedBy: api.SideLocal},
			"workshop  ended  no answer"},
		{"no text", api.Call{State: api.CallEnded, Reason: api.ReasonFailed}, "workshop  ended  failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.call.Peer = "workshop"
			if got := callText(&tt.call); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
