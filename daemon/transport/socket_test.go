package transport

import (
	"testing"
	"time"

	"vchat/daemon/congestion"
)

var _ congestion.Socket = (*Conn)(nil)

func TestSocket_queueLengths(t *testing.T) {
	c, _ := tcpPair(t)
	s := newSocket(c)
	s.useBBR()
	if s.Unacked() != 0 || s.Unsent() != 0 {
		t.Errorf("before a write: got %d unacknowledged, %d unsent; want 0, 0", s.Unacked(), s.Unsent())
	}
	n, data := 0, make([]byte, 64<<20)
	for n < len(data) && s.Unsent() == 0 { // the other end does not read
		_ = c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		m, _ := c.Write(data[n:])
		n += m
	}
	if q, u := s.Unacked(), s.Unsent(); q == 0 || u == 0 || u > q || q > n {
		t.Errorf("got %d unacknowledged, %d unsent of %d written; want 0 < unsent <= unacknowledged <= written",
			q, u, n)
	}
	if n := testing.AllocsPerRun(100, func() { s.Unacked(); s.Unsent() }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
	_ = c.Close()
	if n := s.Unacked(); n != 0 {
		t.Errorf("closed connection: got %d unacknowledged, want 0", n)
	}
	if n := newSocket(&countingConn{}).Unacked(); n != 0 {
		t.Errorf("connection in memory: got %d unacknowledged, want 0", n)
	}
}

func TestSocket_info(t *testing.T) {
	c, _ := tcpPair(t)
	s := newSocket(c)
	s.useBBR()
	s.ResetBBR()
	i := s.TCPInfo()
	if i.MinRTT <= 0 || i.MinRTT > time.Minute || i.PacingRate < 0 || i.InFlight < 0 || i.InFlight > 1<<20 {
		t.Errorf("got %+v, want plausible values", i)
	}
	if n := testing.AllocsPerRun(100, func() { i = s.TCPInfo() }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
	c.Close()
	s.ResetBBR()
	if i := s.TCPInfo(); i != (congestion.TCPInfo{}) {
		t.Errorf("closed connection: got %+v, want zero", i)
	}
	if i := newSocket(nil).TCPInfo(); i != (congestion.TCPInfo{}) {
		t.Errorf("no connection: got %+v, want zero", i)
	}
}
