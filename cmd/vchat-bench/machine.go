package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// machine says on what this runs.
func machine() string {
	var u unix.Utsname
	_ = unix.Uname(&u) // cannot fail with memory of ours
	info, _ := os.ReadFile("/proc/cpuinfo")
	board, _ := os.ReadFile("/proc/device-tree/model") // a Pi's name; ends with a 0
	cpu := strings.Trim(string(board), "\x00")
	if cpu == "" {
		cpu = model(info)
	}
	return fmt.Sprintf("%s, %d CPUs (%s), Linux %s %s, load %s before, %s", time.Now().Format("2006-01-02"), runtime.NumCPU(), cpu,
		unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:]), load(), runtime.Version())
}

// load is how many threads wanted a CPU in the last 1, 5 and 15 minutes: whether others have disturbed the measurement.
func load() string {
	b, _ := os.ReadFile("/proc/loadavg")
	f := strings.Fields(string(b))
	return strings.Join(f[:min(3, len(f))], " ")
}

// model finds the name of the processor in /proc/cpuinfo; 32-bit arm has none, but a Model.
func model(cpuinfo []byte) string {
	for s := bufio.NewScanner(bytes.NewReader(cpuinfo)); s.Scan(); {
		name, value, _ := strings.Cut(s.Text(), ":")
		if n := strings.TrimSpace(name); n == "model name" || n == "Model" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
