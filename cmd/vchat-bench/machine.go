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

// machine describes this machine.
func machine() string {
	var u unix.Utsname
	_ = unix.Uname(&u) // fails only with a bad address
	info, _ := os.ReadFile("/proc/cpuinfo")
	board, _ := os.ReadFile("/proc/device-tree/model") // a Pi's model, terminated by NUL
	cpu := strings.Trim(string(board), "\x00")
	if cpu == "" {
		cpu = model(info)
	}
	return fmt.Sprintf("%s, %d CPUs (%s), Linux %s %s, load %s before, %s", time.Now().Format("2006-01-02"),
		runtime.NumCPU(), cpu, unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:]),
		load(), runtime.Version())
}

// load returns the load averages, which show whether other work disturbed the
// measurement.
func load() string {
	b, _ := os.ReadFile("/proc/loadavg")
	f := strings.Fields(string(b))
	return strings.Join(f[:min(3, len(f))], " ")
}

// model returns the processor's name in /proc/cpuinfo. 32-bit arm only has
// Model.
func model(cpuinfo []byte) string {
	for s := bufio.NewScanner(bytes.NewReader(cpuinfo)); s.Scan(); {
		name, value, _ := strings.Cut(s.Text(), ":")
		if n := strings.TrimSpace(name); n == "model name" || n == "Model" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
