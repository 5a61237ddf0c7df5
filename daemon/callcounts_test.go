package daemon

import (
	"math"
	"testing"

	"vchat/daemon/link"
)

// A call has had one link, and another one before that counted frames of an
// earlier call.
func TestCounts_ofTheCall(t *testing.T) {
	first := link.Counts{Sent: 10, Lost: 3, Drops: link.Drops{Link: 2}}
	base := link.Counts{Sent: 100, Lost: 7, Received: 50, PeerLost: 4}
	now := link.Counts{Sent: 130, Lost: 7, Received: 55, PeerLost: 3}
	got := first.Plus(now.Minus(base))
	want := link.Counts{Sent: 40, Lost: 3, Received: 5, Drops: link.Drops{Link: 2}}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestRoundTo_noNegativeZero(t *testing.T) {
	for _, x := range []float64{-0.0004, math.Copysign(0, -1)} {
		if got := round3(x); math.Signbit(got) {
			t.Errorf("round3(%v): got %v, want 0", x, got)
		}
	}
}
