package daemon

import (
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestFit(t *testing.T) {
	// One row is one or more seconds: the share of a processor that is used in it, and what that means.
	for name, rows := range map[string][]struct {
		seconds int
		share   float64
		all     bool
	}{
		"frames that pass through":  {{100, 0.03, false}, {100, 0.09, false}},
		"frames that are computed":  {{5, 0.03, false}, {1, 0.3, true}, {60, 0.3, true}, {9, 0.03, true}, {1, 0.03, false}},
		"neither here nor there":    {{1, 0.5, true}, {60, 0.07, true}},
		"work that comes and goes":  {{1, 0.5, true}, {8, 0.01, true}, {1, 0.06, true}, {9, 0.01, true}, {1, 0.01, false}},
		"a call after long silence": {{600, 0, false}, {1, 0.2, true}},
		"silence":                   {{5, 0.03, false}, {3, 0.001, false}},
		"silence after work":        {{5, 0.3, true}, {9, 0.001, true}},
	} {
		t.Run(name, func(t *testing.T) {
			now, used := time.Now(), time.Minute
			f := &fit{since: now, used: used}
			for i, r := range rows {
				for s := range r.seconds {
					was := f.all
					now = now.Add(time.Second)
					used += time.Duration(r.share * float64(time.Second))
					if changed := f.look(now, used); changed != (f.all != was) {
						t.Fatalf("row %d, second %d: changed is %v", i, s, changed)
					}
					if f.all != r.all {
						t.Fatalf("row %d, second %d: all is %v", i, s, f.all)
					}
				}
			}
			if f.look(now, used+time.Hour) {
				t.Error("no time has passed, and it changes")
			}
			if last := rows[len(rows)-1]; f.idle() != (last.share < nothing && !f.all) {
				t.Errorf("idle is %v after %d s of %v", f.idle(), last.seconds, last.share)
			}
		})
	}
}

func TestTune(t *testing.T) {
	if os.Getenv("GOMAXPROCS") != "" || os.Getenv("GOGC") != "" || runtime.NumCPU() == 1 {
		t.Skip("the environment decides, or there is one processor")
	}
	state := func() (processors, garbage int) {
		garbage = debug.SetGCPercent(100)
		debug.SetGCPercent(garbage)
		return runtime.GOMAXPROCS(0), garbage
	}
	before, much := state()
	undo := Tune()
	if n, g := state(); n != 1 || g >= much {
		t.Errorf("%d processors for nothing to do, and garbage of %d %%", n, g)
	}
	undo()
	for _, name := range []string{"GOMAXPROCS", "GOGC"} {
		t.Setenv(name, "2")
	}
	undo = Tune()
	if n, g := state(); n != before || g != much {
		t.Errorf("%d processors, garbage of %d %%: what the environment says is not left as it was", n, g)
	}
	undo()
	if n, g := state(); n != before || g != much {
		t.Errorf("at the end: %d processors, garbage of %d %%", n, g)
	}
}
