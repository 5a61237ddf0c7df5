package main

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// shaper decides what becomes of the packets of one direction. It knows no clock of its own.
type shaper struct {
	conditions
	random *rand.Rand
	idle   time.Duration // when the last packet will have left the limited link
}

// offer takes a packet of n bytes at a moment, and says when it comes out at the other side, or that it is dropped.
func (s *shaper) offer(now time.Duration, n int) (leaves time.Duration, ok bool) {
	leaves = now
	if s.rate > 0 {
		begins := max(now, s.idle)
		if begins-now > s.queue {
			return 0, false
		}
		s.idle = begins + time.Duration(float64(n)*8/s.rate*float64(time.Second))
		leaves = s.idle
	}
	if s.loss > 0 && s.random.Float64() < s.loss {
		return 0, false
	}
	leaves += s.delay
	if s.jitter > 0 {
		leaves += time.Duration((2*s.random.Float64() - 1) * float64(s.jitter))
	}
	return leaves, true
}

// packet is on its way.
type packet struct {
	leaves time.Duration
	order  int // of arrival, for those that leave at once
	data   []byte
}

// flight holds packets by when they leave: a heap.
type flight []packet

func (f flight) Len() int { return len(f) }
func (f flight) Less(i, j int) bool {
	return f[i].leaves < f[j].leaves || f[i].leaves == f[j].leaves && f[i].order < f[j].order
}
func (f flight) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f *flight) Push(x any)   { *f = append(*f, x.(packet)) }
func (f *flight) Pop() any {
	last := len(*f) - 1
	p := (*f)[last]
	*f = (*f)[:last]
	return p
}

// due takes out the next packet that has left by now.
func (f *flight) due(now time.Duration) (packet, bool) {
	if len(*f) == 0 || (*f)[0].leaves > now {
		return packet{}, false
	}
	return heap.Pop(f).(packet), true
}
