package tune

import "time"

// The thresholds are shares of one processor. Forwarding a call in both
// directions takes a few percent of a fast processor, and less than busyShare
// of a slow one. Reducing frames takes more than busyShare on any processor.
const (
	busyShare = 0.10
	calmShare = 0.05
	idleShare = 0.005 // heartbeats only

	calmTime = 10 * time.Second // long, because a change of GOMAXPROCS stops all goroutines for a moment
	idleTime = 3 * time.Second
)

// governor decides between one processor and all. It is pure: the caller
// passes the time and the CPU time of the process.
type governor struct {
	all      bool          // use all processors
	lastTime time.Time     // of the last update
	lastCPU  time.Duration // at the last update
	calm     time.Duration // how long the share was below calmShare
	still    time.Duration // how long the share was below idleShare
}

func newGovernor(now time.Time, cpu time.Duration) *governor {
	return &governor{lastTime: now, lastCPU: cpu}
}

// idle reports whether updates can pause until the next activity.
func (g *governor) idle() bool { return !g.all && g.still >= idleTime }

// update takes a measurement and reports whether g.all has changed.
func (g *governor) update(now time.Time, cpu time.Duration) (changed bool) {
	elapsed := now.Sub(g.lastTime)
	if elapsed <= 0 {
		return false
	}
	share := float64(cpu-g.lastCPU) / float64(elapsed)
	g.lastTime, g.lastCPU = now, cpu
	if g.calm += elapsed; share >= calmShare {
		g.calm = 0
	}
	if g.still += elapsed; share >= idleShare {
		g.still = 0
	}
	before := g.all
	switch {
	case share > busyShare:
		g.all = true
	case g.calm >= calmTime:
		g.all = false
	}
	return g.all != before
}
