package link

import (
	"testing"
	"time"

	"vchat/daemon/frame"
)

// A camera that stays open for half a second between two calls takes frames
// that no call gets: the new call has not lost them.
func TestReceiveStats_startCall(t *testing.T) {
	var r receiveStats
	at := time.Second
	arrive := func(seq uint64) {
		at += 30 * time.Millisecond
		r.onFrame(&frame.Meta{Seq: seq, Captured: at, Arrived: at}, 100)
	}
	arrive(1)
	arrive(2)
	r.startCall()
	arrive(17)
	if got := r.receiving().Lost; got != 0 {
		t.Errorf("after the first frame of a call: got %d lost, want 0", got)
	}
	arrive(20)
	if got := r.receiving().Lost; got != 2 {
		t.Errorf("after a gap in the call: got %d lost, want 2", got)
	}
}
