package metrics

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Process writes what this process uses, under the names that Prometheus' own clients give it. What the system does not tell
// is left out. Began is when it was started.
func Process(t *Text, began time.Time) {
	var used unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &used) == nil {
		cpu := time.Duration(used.Utime.Nano() + used.Stime.Nano())
		t.Metric("process_cpu_seconds_total", Counter, "Processor time, user and system.").Add(cpu.Seconds())
	}
	if pages, ok := residentPages(); ok {
		t.Metric("process_resident_memory_bytes", Gauge, "Resident memory.").Add(float64(pages * os.Getpagesize()))
	}
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		t.Metric("process_open_fds", Gauge, "Open file descriptors.").Add(float64(len(open) - 1)) // less that of ReadDir
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		t.Metric("process_max_fds", Gauge, "How many file descriptors may be open.").Add(float64(limit.Cur))
	}
	t.Metric("process_start_time_seconds", Gauge, "When the process began, in seconds since 1970.").Add(float64(began.UnixMilli()) / 1e3)
	t.Metric("go_goroutines", Gauge, "Goroutines.").Add(float64(runtime.NumGoroutine()))
	t.Metric("go_info", Gauge, "The version of Go.").Add(1, "version", runtime.Version())
}

// residentPages is the second field of proc_pid_statm(5).
func residentPages() (int, bool) {
	text, err := os.ReadFile("/proc/self/statm")
	fields := bytes.Fields(text)
	if err != nil || len(fields) < 2 {
		return 0, false
	}
	n, err := strconv.Atoi(string(fields[1]))
	return n, err == nil
}
