package daemon_test

import (
	"syscall"
	"testing"
	"time"

	"vchat/config"
	"vchat/daemon/tune"
)

// BenchmarkCallCPU measures the CPU time of two daemons in a call at 640x480
// and 15 frames per second, with one viewer, per frame that arrives there. It
// compares all processors with the governor of package tune. At a higher rate
// both daemons in one process would exceed the governor's threshold.
//
//	go test -run '^$' -bench CallCPU -benchtime 200x -count 3 ./daemon
func BenchmarkCallCPU(b *testing.B) {
	b.Setenv("GOGC", "100") // tune.Start then sets GOMAXPROCS only
	for _, bm := range []struct {
		name  string
		start func() (stop func())
	}{
		{"all", func() func() { return func() {} }},
		{"governor", tune.Start},
	} {
		b.Run(bm.name, func(b *testing.B) {
			stop := bm.start()
			defer stop()
			feed := watch(b, func(alice, bob *config.Config) {
				alice.Camera.Size = config.Size{Width: 640, Height: 480}
				alice.Camera.FPS, bob.Camera.FPS = 15, 15
			})
			next := func() {
				if _, err := feed.Next(); err != nil {
					b.Fatal(err)
				}
			}
			for range 200 { // the start of a call is busy: the governor needs 10 s of calm
				next()
			}
			before := processCPU(b)
			for b.Loop() {
				next()
			}
			used := processCPU(b) - before
			b.ReportMetric(float64(used.Microseconds())/float64(b.N), "cpu-µs/frame")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// processCPU returns the CPU time of this process, system calls included.
func processCPU(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
