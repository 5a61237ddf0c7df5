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
	load, _ := os.ReadFile("/proc/loadavg")
	info, _ := os.ReadFile("/proc/cpuinfo")
	board, _ := os.ReadFile("/proc/device-tree/model") // a Pi's name; ends with a 0
	cpu := strings.Trim(string(board), "\x00")
	if cpu == "" {
		cpu = model(info)
	}
	return fmt.Sprintf("%s, %d CPUs (%s), Linux %s %s, load %s before, %s", time.Now().Format("2006-01-02"), runtime.NumCPU(), cpu,
		unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:]), first3(string(load)), runtime.Version())
}

func first3(load string) string {
	f := strings.Fields(load)
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
