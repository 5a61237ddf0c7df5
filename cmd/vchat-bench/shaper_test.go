package main

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestRateAndQueue(t *testing.T) {
	s := &shaper{conditions: conditions{rate: 8e6, queue: 10 * time.Millisecond}} // 1000 bytes in a millisecond
	for i, want := range []time.Duration{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11} {
		if leaves, ok := s.offer(0, 1000); !ok || leaves != want*time.Millisecond {
			t.Fatalf("packet %d leaves at %v, %v", i, leaves, ok)
		}
	}
	if leaves, ok := s.offer(0, 1000); ok {
		t.Errorf("a packet that would wait 11 ms leaves at %v", leaves)
	}
	if leaves, ok := s.offer(time.Millisecond, 1000); !ok || leaves != 12*time.Millisecond {
		t.Errorf("when there is room again: %v, %v", leaves, ok)
	}
	if leaves, ok := s.offer(time.Second, 500); !ok || leaves != time.Second+500*time.Microsecond {
		t.Errorf("on an idle link: %v, %v", leaves, ok)
	}
}

func TestDelayAndLoss(t *testing.T) {
	c := conditions{delay: 20 * time.Millisecond, jitter: 5 * time.Millisecond, loss: 0.01}
	s := &shaper{conditions: c, random: rand.New(rand.NewPCG(1, 2))}
	const n = 100_000
	lost, least, most := 0, time.Hour, time.Duration(0)
	for range n {
		leaves, ok := s.offer(time.Second, 1500)
		if !ok {
			lost++
			continue
		}
		least, most = min(least, leaves-time.Second), max(most, leaves-time.Second)
	}
	if lost < n/120 || lost > n/80 {
		t.Errorf("%d of %d lost", lost, n)
	}
	if least < 15*time.Millisecond || least > 15100*time.Microsecond || most > 25*time.Millisecond || most < 24900*time.Microsecond {
		t.Errorf("delays from %v to %v", least, most)
	}
	if leaves, ok := new(shaper).offer(time.Second, 1500); !ok || leaves != time.Second {
		t.Errorf("without conditions: %v, %v", leaves, ok)
	}
}

func TestFlight(t *testing.T) {
	var f flight
	for order, leaves := range []time.Duration{30, 10, 20, 10, 40} {
		heap.Push(&f, packet{leaves: leaves, order: order})
	}
	var got []int
	for p, ok := f.due(30); ok; p, ok = f.due(30) {
		got = append(got, p.order)
	}
	if want := []int{1, 3, 2, 0}; !slices.Equal(got, want) || len(f) != 1 {
		t.Errorf("left in the order %v, want %v; %d still on their way", got, want, len(f))
	}
}
