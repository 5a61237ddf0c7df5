// Package faketime runs a test in a bubble of fake time, as testing/synctest
// does.
//
// Under the race detector the test runs on one processor. Go 1.26 runs a
// bubble's timers with one context of the race detector, but on any thread
// (runtime.(*timer).unlockAndRun, called by the bubble's root and by a select
// on an expired channel). Two threads at once crash the program with a SIGSEGV
// in __tsan::TraceSwitchPart. Eight goroutines that select on tickers of the
// same period reproduce it within seconds.
package faketime

import (
	"runtime"
	"testing"
	"testing/synctest"
)

// Test is synctest.Test, on one processor under the race detector.
func Test(t *testing.T, f func(*testing.T)) {
	t.Helper()
	if maxProcs > 0 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(maxProcs))
	}
	synctest.Test(t, f)
}
