package view

import (
	"testing"

	"vchat/daemon/api"
)

// A card has no address and no error of the system; what a person did is said
// in full.
func TestCardText(t *testing.T) {
	for _, tt := range []struct {
		reason     api.Reason
		text, want string
	}{
		{api.ReasonUnreachable, "cannot reach attic: connect to 192.0.2.7:7450: connection refused",
			"cannot reach attic"},
		{api.ReasonLostTooLong, "the connection to attic was lost for too long: no answer from 192.0.2.7:7450",
			"the connection to attic was lost for too long"},
		{api.ReasonBusy, "attic refused the call: called too often; try again in 2 s",
			"attic refused the call: called too often; try again in 2 s"},
		{api.ReasonDeclined, "attic declined your call", "attic declined your call"},
		{api.ReasonHungUp, "", "the call with attic has ended"},
	} {
		if got := CardText(&api.Call{Peer: "attic", Reason: tt.reason, ReasonText: tt.text}); got != tt.want {
			t.Errorf("%s, %q: got %q, want %q", tt.reason, tt.text, got, tt.want)
		}
	}
}
