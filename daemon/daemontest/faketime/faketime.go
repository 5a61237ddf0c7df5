// Package faketime runs a test in a bubble of pretended time, as testing/synctest does.
//
// Under the race detector such a test has one processor. Go 1.26 runs a bubble's timers with one context of the detector
// on whatever threads meet them (runtime.(*timer).unlockAndRun, by the bubble's root and by a select on a channel whose
// time has come), which ends the program with a SIGSEGV in __tsan::TraceSwitchPart once two do so at a time. Eight
// goroutines that select from tickers of the same period show it within seconds.
package faketime

import (
	"runtime"
	"testing"
	"testing/synctest"
)

// Test is synctest.Test.
func Test(t *testing.T, f func(*testing.T)) {
	t.Helper()
	if processors > 0 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
	}
	synctest.Test(t, f)
}
