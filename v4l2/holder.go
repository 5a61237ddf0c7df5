package v4l2

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// holders looks through /proc for open descriptors of node, and names at most three programs. An ordinary user sees only its own
// processes' descriptors. This process is left out: it has the node open while it asks.
func holders(proc, node string) []string {
	dirs, _ := os.ReadDir(proc)
	var names []string
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil || pid == os.Getpid() || !holds(filepath.Join(proc, d.Name(), "fd"), node) {
			continue
		}
		comm, err := os.ReadFile(filepath.Join(proc, d.Name(), "comm"))
		if err != nil {
			continue // it has ended
		}
		names = append(names, fmt.Sprintf("%s (pid %d)", text([]byte(strings.TrimSpace(string(comm)))), pid))
		if len(names) == 3 {
			break
		}
	}
	return names
}

func holds(fdDir, node string) bool {
	fds, err := os.ReadDir(fdDir)
	if err != nil {
		return false // not permitted, or it has ended
	}
	for _, fd := range fds {
		if target, err := os.Readlink(filepath.Join(fdDir, fd.Name())); err == nil && target == node {
			return true
		}
	}
	return false
}
