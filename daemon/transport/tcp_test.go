package transport

import (
	"testing"
	"time"

	"vchat/daemon/congestion"
)

func TestSocketKnowsWhatTheKernelHolds(t *testing.T) {
	c, _ := pair(t)
	s := NewSocket(c)
	s.Steady()
	if s.Unacked() != 0 || s.Unsent() != 0 {
		t.Errorf("%d queued, %d unsent before anything was written", s.Unacked(), s.Unsent())
	}
	n, much := 0, make([]byte, 64<<20)
	for n < len(much) && s.Unsent() == 0 { // the other side reads nothing
		_ = c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		m, _ := c.Write(much[n:])
		n += m
	}
	if q, u := s.Unacked(), s.Unsent(); q == 0 || u == 0 || u > q || q > n {
		t.Errorf("%d queued, %d unsent of %d", q, u, n)
	}
	if n := testing.AllocsPerRun(100, func() { s.Unacked(); s.Unsent() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	_ = c.Close()
	if s.Unacked() != 0 {
		t.Error("a closed connection holds something")
	}
	if s := NewSocket(&counting{}); s.Unacked() != 0 {
		t.Error("a connection in memory holds something")
	}
}

// TestTheKernelTellsOfAConnection asks a real one, whose numbers are what they are.
func TestTheKernelTellsOfAConnection(t *testing.T) {
	c, _ := pair(t)
	s := NewSocket(c)
	s.Steady()
	s.ResetBBR()
	f := s.TCPInfo()
	if f.MinRTT <= 0 || f.MinRTT > time.Minute || f.PacingRate < 0 || f.InFlight < 0 || f.InFlight > 1<<20 {
		t.Errorf("%+v", f)
	}
	if n := testing.AllocsPerRun(100, func() { f = s.TCPInfo() }); n != 0 {
		t.Errorf("%v allocations each time", n)
	}
	c.Close()
	s.ResetBBR()
	if f := s.TCPInfo(); f != (congestion.TCPInfo{}) {
		t.Errorf("%+v of a connection that is closed", f)
	}
	if f := NewSocket(nil).TCPInfo(); f != (congestion.TCPInfo{}) {
		t.Errorf("%+v of none", f)
	}
}
