package call

import "testing"

// Every way a call can end, on both sides, in words.
func TestCall_EndText(t *testing.T) {
	for _, c := range []struct {
		reason    Reason
		by        Side
		direction Direction
		text      string
		want      string
	}{
		{HungUp, Local, Out, "", "you hung up"},
		{HungUp, Remote, In, "", "bob hung up"},
		{HungUp, Remote, In, "no longer paired", "bob hung up: no longer paired"},
		{HungUp, Local, In, "no longer paired", "the call with bob ended: no longer paired"},
		{Declined, Local, In, "", "you declined bob's call"},
		{Declined, Remote, Out, "", "bob declined your call"},
		{Busy, Local, In, "", "bob called during another call"},
		{Busy, Remote, Out, "", "bob is in another call"},
		{Busy, Remote, Out, "called too often; try again in 9 s",
			"bob refused the call: called too often; try again in 9 s"},
		{NoAnswer, Local, Out, "", "bob did not answer"},
		{NoAnswer, Remote, In, "", "you missed bob's call"},
		{NoAnswer, Local, In, "", "you missed bob's call"},
		{DoNotDisturb, Local, In, "", "bob called, but this device is set to do not disturb"},
		{DoNotDisturb, Remote, Out, "", "bob is set to do not disturb"},
		{Cancelled, Local, Out, "", "you stopped calling bob"},
		{Cancelled, Remote, In, "", "bob stopped calling"},
		{UnknownCall, Remote, Out, "", "bob no longer has the call: it was restarted or set up anew"},
		{UnknownCall, Local, In, "", "bob sent a wrong message; the call ended"},
		{LostTooLong, Local, Out, "connection refused",
			"the connection to bob was lost for too long: connection refused"},
		{Failed, Remote, Out, "", "the call with bob failed"},
		{Unreachable, Local, Out, "connection refused", "cannot reach bob: connection refused"},
		{WrongIdentity, Local, Out, "", "bob has another key than expected"},
		{WrongIdentity, Local, Out, "peer key mismatch: a, b", "bob: peer key mismatch: a, b"},
		{77, Remote, Out, "", "the call with bob failed"},
	} {
		t.Run(c.want, func(t *testing.T) {
			ended := Call{Peer: "bob", State: Ended, Reason: c.reason, EndedBy: c.by, Direction: c.direction,
				Text: c.text}
			if got := ended.EndText(); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
