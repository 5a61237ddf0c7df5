package daemon

import (
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Tune fits the Go runtime to a daemon that hands frames on, until the returned function is called. It is for the whole
// process. What the environment says (GOMAXPROCS, GOGC) is left as it is.
func Tune() (undo func()) {
	stop := fitProcessors()
	if os.Getenv("GOGC") != "" {
		return stop
	}
	// What lives is mostly buffers of frames. While buffers for smaller frames are made, the heap would grow to twice of
	// that, and stay so: a 1080p call both ways on a slow link had 19 to 25 MiB resident, and has 17 to 19.
	before := debug.SetGCPercent(50)
	return func() { stop(); debug.SetGCPercent(before) }
}

// fitProcessors fits the number of processors that the scheduler uses to the work.
//
// While frames only pass through, that is one. With more, each goroutine that hands a frame on wakes a thread on another
// processor, which looks for work for a while, and sleeps again: that takes longer than what it is woken for. Where frames
// are encoded or made smaller, or where there are many, all processors work:
//
//	one ──a second with more than plenty of one processor──▶ all
//	 ▲                                                        │
//	 └────────────calmAfter with less than little─────────────┘
//
// Where nothing is done at all, nobody looks until work may have begun (see stirred): an idle daemon sleeps.
func fitProcessors() (stop func()) {
	if os.Getenv("GOMAXPROCS") != "" || runtime.GOMAXPROCS(0) == 1 {
		return func() {}
	}
	runtime.GOMAXPROCS(1)
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		defer runtime.SetDefaultGOMAXPROCS()
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		f := newFit()
		for {
			if f.idle() {
				tick.Stop()
				select {
				case <-done:
					return
				case <-activity:
				}
				f = newFit()
				tick.Reset(time.Second)
			}
			select {
			case <-done:
				return
			case now := <-tick.C:
				if !f.look(now, cpuTime()) {
					continue
				}
			}
			if f.all {
				runtime.SetDefaultGOMAXPROCS() // what the machine, or the container, has now
			} else {
				runtime.GOMAXPROCS(1)
			}
		}
	})
	return func() { close(done); running.Wait() }
}

// stirred tells that work may have begun: that a camera or a call has changed. It is the process's, as its processors are.
var activity = make(chan struct{}, 1)

// Of one processor. A call each way takes some hundredths on a fast processor, and less than plenty on a small board's;
// frames that are made smaller take more than that on any.
const (
	plenty    = 0.10
	little    = 0.05
	nothing   = 0.005            // heartbeats
	calmAfter = 10 * time.Second // each change stops all goroutines for a moment

	stillAfter = 3 * time.Second
)

// fit decides between one processor and all. It is pure: it is told the time, and the CPU time that the process has used.
type fit struct {
	all   bool
	since time.Time     // of the last look
	used  time.Duration // until then
	calm  time.Duration // for so long it was less than little
	still time.Duration // and nothing
}

func newFit() *fit { return &fit{since: time.Now(), used: cpuTime()} }

// idle says whether it is enough to look again when something has changed.
func (f *fit) idle() bool { return !f.all && f.still >= stillAfter }

// look says whether all has changed.
func (f *fit) look(now time.Time, used time.Duration) (changed bool) {
	passed := now.Sub(f.since)
	if passed <= 0 {
		return false
	}
	share := float64(used-f.used) / float64(passed)
	f.since, f.used = now, used
	if f.calm += passed; share >= little {
		f.calm = 0
	}
	if f.still += passed; share >= nothing {
		f.still = 0
	}
	was := f.all
	switch {
	case share > plenty:
		f.all = true
	case f.calm >= calmAfter:
		f.all = false
	}
	return f.all != was
}

// cpuTime is what all threads of this process have used.
func cpuTime() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t) // cannot fail: the clock is there on every Linux
	return time.Duration(t.Nano())
}
