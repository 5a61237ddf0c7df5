// Package tune adapts the Go runtime to a daemon that forwards frames.
//
// GOMAXPROCS is 1 while frames are only forwarded. With more processors, each
// goroutine that passes a frame on wakes a thread on another one, which spins
// for work and sleeps again: that costs more CPU time than the work itself.
// While frames are encoded or reduced, all processors are used:
//
//	one ──a second above busyShare──▶ all
//	 ▲                                 │
//	 └──────calmTime below calmShare───┘
//
// BenchmarkCallCPU of package daemon compares both, with two daemons in a call
// on two processors. One processor saves 19 % of the CPU time per frame while
// other programs compete for them (1705 to 1388 µs, means of three runs). It
// saves 52 % when the benchmark has real-time priority (2902 to 1404 µs).
//
// GOGC is 50. Most of the live heap is frame buffers, and the default lets the
// heap grow to twice their size: a 1080p call in both directions on a slow link
// then needs 19 to 25 MiB of resident memory instead of 17 to 19.
//
// The environment variables GOMAXPROCS and GOGC take precedence.
//
// Start runs one goroutine, which sleeps while the process is idle. Notify
// wakes it.
package tune

import (
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Start tunes the runtime of this process until stop is called. stop restores
// the defaults.
func Start() (stop func()) {
	stopGovernor := startGovernor()
	if os.Getenv("GOGC") != "" {
		return stopGovernor
	}
	before := debug.SetGCPercent(50)
	return func() {
		stopGovernor()
		debug.SetGCPercent(before)
	}
}

// activity wakes the governor. It is global, like GOMAXPROCS.
var activity = make(chan struct{}, 1)

// Notify reports that work may have started: a camera or a call has changed.
// It does not block.
func Notify() {
	select {
	case activity <- struct{}{}:
	default:
	}
}

// startGovernor sets GOMAXPROCS from the CPU time of the process, once a
// second.
func startGovernor() (stop func()) {
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
		g := newGovernor(time.Now(), cpuTime())
		for {
			if g.idle() {
				tick.Stop()
				select {
				case <-done:
					return
				case <-activity:
				}
				g = newGovernor(time.Now(), cpuTime())
				tick.Reset(time.Second)
			}
			select {
			case <-done:
				return
			case now := <-tick.C:
				if !g.update(now, cpuTime()) {
					continue
				}
			}
			if g.all {
				runtime.SetDefaultGOMAXPROCS() // the current number of the machine or container
			} else {
				runtime.GOMAXPROCS(1)
			}
		}
	})
	return func() { close(done); running.Wait() }
}

// cpuTime returns the CPU time of all threads of this process.
func cpuTime() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t) // every Linux has this clock
	return time.Duration(t.Nano())
}
