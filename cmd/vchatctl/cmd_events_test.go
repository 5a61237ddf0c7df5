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
		{"frames", api.Call{State: api.CallActive, HasFrames: true}, "workshop  active"},
		{"peer hung up",
			api.Call{State: api.CallEnded, Reason: api.ReasonHungUp, ReasonText: "workshop hung up",
				EndedBy: api.SideRemote},
			"workshop  ended  workshop hung up"},
		{"hung up here",
			api.Call{State: api.CallEnded, Reason: api.ReasonHungUp, ReasonText: "you hung up", EndedBy: api.SideLocal},
			"workshop  ended  you hung up"},
		{"no answer",
			api.Call{State: api.CallEnded, Reason: api.ReasonNoAnswer, ReasonText: "workshop did not answer",
				EndedBy: api.SideLocal},
			"workshop  ended  workshop did not answer"},
		{"no text", api.Call{State: api.CallEnded, Reason: api.ReasonFailed},
			"workshop  ended  the call with workshop has ended"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.call.Peer = "workshop"
			if got := callText(&tt.call); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
