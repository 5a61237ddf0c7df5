package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// usage is a process's resource usage since its start, ended threads included.
type usage struct {
	cpu          time.Duration
	user, system uint64 // ticks; sampled, so only their ratio is used
	switches     map[int]uint64
}

// usageOf reads the usage of a process. CPU time is from the process's own
// clock, which counts nanoseconds; /proc counts hundredths of a second.
func usageOf(pid int) (u usage, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	if u.user, u.system, err = ticks(stat); err != nil {
		return u, err
	}
	var t unix.Timespec
	const cpuclockSched = 2                                                     // linux/posix-timers_types.h
	if err := unix.ClockGettime(int32(^pid)<<3|cpuclockSched, &t); err != nil { // clock_getcpuclockid(3)
		return u, fmt.Errorf("CPU clock of process %d: %w", pid, err)
	}
	u.cpu = time.Duration(t.Nano())
	u.switches = map[int]uint64{}
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, task := range tasks {
		b, err := os.ReadFile(task)
		if err != nil {
			continue // the thread has ended
		}
		tid, _ := strconv.Atoi(filepath.Base(filepath.Dir(task)))
		u.switches[tid] = status(b, "voluntary_ctxt_switches") + status(b, "nonvoluntary_ctxt_switches")
	}
	return u, err
}

// since returns the usage after before. Switches of threads that ended in
// between are missing.
func (u usage) since(before usage) (user, system time.Duration, switches uint64) {
	cpu := u.cpu - before.cpu
	user = cpu
	if us, sy := float64(u.user-before.user), float64(u.system-before.system); us+sy > 0 {
		user = time.Duration(float64(cpu) * us / (us + sy))
	}
	for tid, n := range u.switches {
		switches += n - before.switches[tid]
	}
	return user, cpu - user, switches
}

// memoryOf returns the resident memory of a process in KiB, now and at its
// peak.
func memoryOf(pid int) (now, peak uint64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return status(b, "VmRSS"), status(b, "VmHWM"), err
}

// ticks returns utime and stime of /proc/PID/stat. The name before them may
// contain blanks and brackets.
func ticks(stat []byte) (user, system uint64, err error) {
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0, 0, fmt.Errorf("parse /proc/PID/stat: %.60q", stat)
	}
	if user, err = strconv.ParseUint(fields[11], 10, 64); err == nil {
		system, err = strconv.ParseUint(fields[12], 10, 64)
	}
	return user, system, err
}

// parent returns the parent in /proc/PID/stat, or 0.
func parent(stat []byte) int {
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(fields[1])
	return n
}

// status returns a number of /proc/PID/status, or 0.
func status(b []byte, name string) uint64 {
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		if value, ok := strings.CutPrefix(s.Text(), name+":"); ok {
			n, _ := strconv.ParseUint(strings.Fields(value + " 0")[0], 10, 64)
			return n
		}
	}
	return 0
}

// find returns the process that runs the executable: root or a descendant,
// since a wrapper may start the program as a child. 0: none yet.
func find(root int, executable string) int {
	parents := map[int]int{}
	stats, _ := fs.Glob(os.DirFS("/proc"), "[0-9]*/stat")
	for _, s := range stats {
		pid, _ := strconv.Atoi(filepath.Dir(s))
		if b, err := os.ReadFile("/proc/" + s); err == nil {
			parents[pid] = parent(b)
		}
	}
	for pid := range parents {
		for p := pid; p > 0; p = parents[p] {
			if p != root {
				continue
			}
			exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
			if err == nil && filepath.Base(exe) == filepath.Base(executable) {
				return pid
			}
			break
		}
	}
	return 0
}
