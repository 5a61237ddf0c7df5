package metrics

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Process adds the metrics of this process, with the names that Prometheus
// client libraries use. It omits what the system does not report.
func Process(t *Text, started time.Time) {
	var usage unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &usage) == nil {
		cpu := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
		t.Metric("process_cpu_seconds_total", Counter, "Processor time, user and system.").Add(cpu.Seconds())
	}
	if pages, ok := residentPages(); ok {
		t.Metric("process_resident_memory_bytes", Gauge, "Resident memory.").Add(float64(pages * os.Getpagesize()))
	}
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		n := len(open) - 1 // without the descriptor of ReadDir
		t.Metric("process_open_fds", Gauge, "Open file descriptors.").Add(float64(n))
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		t.Metric("process_max_fds", Gauge, "Maximum number of open file descriptors.").Add(float64(limit.Cur))
	}
	t.Metric("process_start_time_seconds", Gauge, "Start time, in seconds since 1970.").
		Add(float64(startTime(started.Round(0), time.Since(started), time.Now().Round(0)).UnixMilli()) / 1e3)
	t.Metric("go_goroutines", Gauge, "Goroutines.").Add(float64(runtime.NumGoroutine()))
	t.Metric("go_info", Gauge, "The version of Go.").Add(1, "version", runtime.Version())
}

// residentPages returns the second field of proc_pid_statm(5).
func residentPages() (int, bool) {
	text, err := os.ReadFile("/proc/self/statm")
	fields := bytes.Fields(text)
	if err != nil || len(fields) < 2 {
		return 0, false
	}
	n, err := strconv.Atoi(string(fields[1]))
	return n, err == nil
}

// startTime returns the start of a process by the present wall clock: that of a
// board without a battery says 1970 until it gets the time from the network. A
// difference of less than a second comes from the measurement; another value
// would look like a restart.
func startTime(started time.Time, uptime time.Duration, now time.Time) time.Time {
	start := now.Add(-uptime)
	if start.Sub(started).Abs() < time.Second {
		return started
	}
	return start.Round(time.Second)
}
