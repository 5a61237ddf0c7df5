package soak

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// fault is one entry of the schedule.
type fault struct {
	number int
	kind   string
	side   int           // 0: alice, 1: bob
	after  time.Duration // pause before it
	lasts  time.Duration
	seed   uint64 // for what the fault does
}

func (f fault) String() string {
	return fmt.Sprintf("fault %d: %s of %s for %v", f.number, f.kind, [...]string{"alice", "bob"}[f.side], f.lasts)
}

// earlyRounds is the number of rounds in which alice is killed too. Later she
// lives on, so that a leak shows.
const earlyRounds = 2

// schedule yields faults for ever. They depend on the arguments only. Each
// round has all kinds, in a random order. Short faults have a quarter of the
// length.
func schedule(seed uint64, kinds []faultKind, short bool) iter.Seq[fault] {
	return func(yield func(fault) bool) {
		r := rand.New(rand.NewPCG(seed, 0))
		between := func(low, high time.Duration) time.Duration {
			d := low + time.Duration(r.Int64N(int64(high-low)+1))
			if short {
				d /= 4
			}
			return d.Round(time.Millisecond)
		}
		n := 0
		for round := 0; ; round++ {
			order := slices.Clone(kinds)
			r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
			for _, k := range order {
				n++
				f := fault{number: n, kind: k.name, side: r.IntN(2), seed: r.Uint64()}
				f.after = between(time.Second, 4*time.Second)
				f.lasts = between(k.shortest, k.longest)
				if k.ends && round >= earlyRounds || k.bobOnly {
					f.side = 1
				}
				if !yield(f) {
					return
				}
			}
		}
	}
}

func TestSchedule(t *testing.T) {
	take := func(seed uint64) (all []fault) {
		for f := range schedule(seed, faultKinds, false) {
			if all = append(all, f); len(all) == 10*len(faultKinds) {
				break
			}
		}
		return all
	}
	if a, b := take(7), take(7); !slices.Equal(a, b) {
		t.Error("same seed: got two different schedules")
	}
	if a, b := take(7), take(8); slices.Equal(a, b) {
		t.Error("another seed: got the same schedule")
	}
	seen := map[string]int{}
	for i, f := range take(7) {
		k := faultKinds[slices.IndexFunc(faultKinds, func(k faultKind) bool { return k.name == f.kind })]
		seen[f.kind]++
		if f.lasts < k.shortest || f.lasts > k.longest {
			t.Errorf("%v: want %v to %v", f, k.shortest, k.longest)
		}
		if k.ends && i >= earlyRounds*len(faultKinds) && f.side == 0 {
			t.Errorf("%v: want alice to live on", f)
		}
	}
	for _, k := range faultKinds {
		if seen[k.name] != 10 {
			t.Errorf("%s: got %d times in 10 rounds, want 10", k.name, seen[k.name])
		}
	}
}
