package main

import (
	"math"
	"testing"
	"time"
)

func TestSession_between(t *testing.T) {
	pic := func(seq int64, came time.Duration, from string) frame {
		return frame{stamp{came - 10*time.Millisecond, seq, from}, came, 1000}
	}
	one := &reader{frames: []frame{pic(1, 0, "x"), pic(2, time.Second, "x"), pic(2, 1100*time.Millisecond, "x"),
		pic(5, 1200*time.Millisecond, "x"), pic(6, 2*time.Second, "x")}}
	two := &reader{frames: []frame{pic(-1, time.Second, ""), pic(-1, 1500*time.Millisecond, "")}}
	s := &session{clients: []*reader{one}}
	// Frames 2 and 5 of 2 to 5. Frame 2 arrived twice, 1 before, 6 after.
	if g := s.between(time.Second, 2*time.Second, 30); g.frames != 2 || g.rate != 2 || math.Abs(g.share-0.5) > 1e-9 ||
		g.bytes != 1000 || len(g.delays) != 2 || g.delays[0] != 10 {
		t.Errorf("got %+v", g)
	}
	// Two counts at once: by the longer one, four of seven frames arrived.
	s.clients = []*reader{{frames: []frame{pic(10, 1000*time.Millisecond, "x"), pic(501, 1200*time.Millisecond, "y"),
		pic(14, 1400*time.Millisecond, "x"), pic(16, 1600*time.Millisecond, "x")}}}
	if g := s.between(time.Second, 2*time.Second, 30); g.frames != 4 || math.Abs(g.share-4./7) > 1e-9 {
		t.Errorf("got %+v", g)
	}
	// Without a count, the camera's nominal rate is used.
	s.clients = []*reader{two}
	if g := s.between(time.Second, 2*time.Second, 4); g.frames != 2 || g.share != 0.5 || len(g.delays) != 0 {
		t.Errorf("got %+v", g)
	}
	s.clients = []*reader{one, two}
	if g := s.between(time.Second, 2*time.Second, 4); g.frames != 4 || g.rate != 2 || g.share != 0.5 {
		t.Errorf("got %+v", g)
	}
	if g := s.between(5*time.Second, 6*time.Second, 4); g.frames != 0 || g.share != 0 || g.bytes != 0 {
		t.Errorf("got %+v", g)
	}
	if p, ok := one.firstAfter(1150 * time.Millisecond); !ok || p.seq != 5 {
		t.Errorf("firstAfter: got %+v, %v, want frame 5", p, ok)
	}
	if _, ok := two.firstAfter(time.Hour); ok {
		t.Error("firstAfter: got a frame after the last one")
	}
}
