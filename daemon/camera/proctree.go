package camera

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
)

// procTree are the processes that descend from one, as long as their parents live: of a command also those that have made a
// process group of their own, as setsid(1) does. Each is held by a descriptor (os.FindProcess), so that no signal goes
// to another one that has its number since.
type procTree []*os.Process

func descendants(pid int) procTree {
	parents := map[int]int{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if child, err := strconv.Atoi(e.Name()); err == nil {
			if parent, ok := parentOf(child); ok {
				parents[child] = parent
			}
		}
	}
	var f procTree
	found := []int{pid}
	for i := 0; i < len(found); i++ {
		for child, parent := range parents {
			if parent == found[i] && !slices.Contains(found, child) {
				found = append(found, child)
				if p, err := os.FindProcess(child); err == nil {
					f = append(f, p)
				}
			}
		}
	}
	return f
}

// parentOf reads proc_pid_stat(5), where the parent comes second after the name in brackets, which may hold brackets.
func parentOf(pid int) (int, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if err != nil || len(fields) < 2 {
		return 0, false
	}
	parent, err := strconv.Atoi(string(fields[1]))
	return parent, err == nil
}

func (f procTree) signal(s syscall.Signal) {
	for _, p := range f {
		_ = p.Signal(s) // it may have ended
	}
}

func (f procTree) alive() bool {
	return slices.ContainsFunc(f, func(p *os.Process) bool { return p.Signal(syscall.Signal(0)) == nil })
}

func (f procTree) release() {
	for _, p := range f {
		_ = p.Release()
	}
}
