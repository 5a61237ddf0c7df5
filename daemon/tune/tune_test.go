package tune

import (
	"os"
	"runtime"
	"runtime/debug"
	"testing"

	"vchat/daemon/daemontest/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestStart(t *testing.T) {
	if os.Getenv("GOMAXPROCS") != "" || os.Getenv("GOGC") != "" || runtime.NumCPU() == 1 {
		t.Skip("GOMAXPROCS or GOGC is set, or there is one processor")
	}
	state := func() (procs, gogc int) {
		gogc = debug.SetGCPercent(100)
		debug.SetGCPercent(gogc)
		return runtime.GOMAXPROCS(0), gogc
	}
	procsBefore, gogcBefore := state()
	stop := Start()
	if procs, gogc := state(); procs != 1 || gogc >= gogcBefore {
		t.Errorf("started: got GOMAXPROCS %d and GOGC %d, want 1 and less than %d", procs, gogc, gogcBefore)
	}
	stop()
	for _, name := range []string{"GOMAXPROCS", "GOGC"} {
		t.Setenv(name, "2")
	}
	stop = Start()
	if procs, gogc := state(); procs != procsBefore || gogc != gogcBefore {
		t.Errorf("with the environment set: got GOMAXPROCS %d and GOGC %d, want %d and %d",
			procs, gogc, procsBefore, gogcBefore)
	}
	stop()
	if procs, gogc := state(); procs != procsBefore || gogc != gogcBefore {
		t.Errorf("stopped: got GOMAXPROCS %d and GOGC %d, want %d and %d", procs, gogc, procsBefore, gogcBefore)
	}
}
