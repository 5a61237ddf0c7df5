package camera

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
)

// procTree is the descendants of a process, also those in process groups of
// their own, as after setsid(1). Each is held by a pidfd (os.FindProcess), so
// that a signal never hits a new process with the same number.
type procTree []*os.Process

// descendants returns the present descendants of pid. The parent of an orphan
// does not lead to pid. It is found if mark, NAME=VALUE, is in its environment.
func descendants(pid int, mark string) procTree {
	parents := map[int]int{}
	found := []int{pid}
	var t procTree
	add := func(child int) {
		found = append(found, child)
		if p, err := os.FindProcess(child); err == nil {
			t = append(t, p)
		}
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if child, err := strconv.Atoi(e.Name()); err == nil {
			if parent, ok := parentOf(child); ok {
				parents[child] = parent
			}
			if child != pid && hasMark(child, mark) {
				add(child)
			}
		}
	}
	for i := 0; i < len(found); i++ {
		for child, parent := range parents {
			if parent == found[i] && !slices.Contains(found, child) {
				add(child)
			}
		}
	}
	return t
}

// hasMark reads proc_pid_environ(5). It is empty for a zombie, and unreadable
// for the processes of other users.
func hasMark(pid int, mark string) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false
	}
	for entry := range bytes.SplitSeq(b, []byte{0}) {
		if string(entry) == mark {
			return true
		}
	}
	return false
}

// parentOf reads proc_pid_stat(5). The parent is the second field after the
// name in brackets, which may itself contain brackets.
func parentOf(pid int) (int, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if err != nil || len(fields) < 2 {
		return 0, false
	}
	parent, err := strconv.Atoi(string(fields[1]))
	return parent, err == nil
}

func (t procTree) signal(s syscall.Signal) {
	for _, p := range t {
		_ = p.Signal(s) // it may have ended
	}
}

func (t procTree) alive() bool {
	return slices.ContainsFunc(t, func(p *os.Process) bool { return p.Signal(syscall.Signal(0)) == nil })
}

func (t procTree) release() {
	for _, p := range t {
		_ = p.Release()
	}
}
