package v4l2

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// holders returns up to three programs that have node open, such as "firefox
// (pid 42)". An ordinary user sees only the descriptors of its own processes.
// This process is left out, because it has the node open during the call.
func holders(proc, node string) []string {
	dirs, _ := os.ReadDir(proc)
	var names []string
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil || pid == os.Getpid() || !hasOpen(filepath.Join(proc, d.Name(), "fd"), node) {
			continue
		}
		comm, err := os.ReadFile(filepath.Join(proc, d.Name(), "comm"))
		if err != nil {
			continue // the process ended
		}
		names = append(names, fmt.Sprintf("%s (pid %d)", text([]byte(strings.TrimSpace(string(comm)))), pid))
		if len(names) == 3 {
			break
		}
	}
	return names
}

// hasOpen reports whether a process, by its /proc/PID/fd, has node open.
func hasOpen(fdDir, node string) bool {
	fds, err := os.ReadDir(fdDir)
	if err != nil {
		return false // no permission, or the process ended
	}
	for _, fd := range fds {
		if target, err := os.Readlink(filepath.Join(fdDir, fd.Name())); err == nil && target == node {
			return true
		}
	}
	return false
}
