package link

import (
	"testing"
	"time"
)

func TestSocketKnowsWhatTheKernelHolds(t *testing.T) {
	c, _ := pair(t)
	s := newSocket(c)
	s.steady()
	if s.queued() != 0 || s.unsent() != 0 {
		t.Errorf("%d queued, %d unsent before anything was written", s.queued(), s.unsent())
	}
	n, much := 0, make([]byte, 64<<20)
	for n < len(much) && s.unsent() == 0 { // the other side reads nothing
		_ = c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		m, _ := c.Write(much[n:])
		n += m
	}
	if q, u := s.queued(), s.unsent(); q == 0 || u == 0 || u > q || q > n {
		t.Errorf("%d queued, %d unsent of %d", q, u, n)
	}
	if n := testing.AllocsPerRun(100, func() { s.queued(); s.unsent() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	_ = c.Close()
	if s.queued() != 0 {
		t.Error("a closed connection holds something")
	}
	if s := newSocket(&counting{}); s.queued() != 0 {
		t.Error("a connection in memory holds something")
	}
}
