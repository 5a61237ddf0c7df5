// Package leaktest fails the tests of a package that leave a goroutine or a descriptor behind.
package leaktest

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// Main is for a package's TestMain.
func Main(m *testing.M) { os.Exit(Checked{m}.Run()) }

// Checked runs tests and looks for what they left behind; for those who do more in TestMain.
type Checked struct{ M *testing.M }

// Run gives the exit code.
func (c Checked) Run() int {
	before := descriptors()
	code := c.M.Run()
	if code != 0 {
		return code // what failed may well have left something behind
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	left := descriptors()
	maps.DeleteFunc(left, func(fd, target string) bool { return before[fd] == target })
	if len(left) > 0 {
		fmt.Fprintf(os.Stderr, "descriptors left open: %v\n", slices.Sorted(maps.Values(left)))
		code = 1
	}
	return code
}

// descriptors gives what is open, by number, but for what the runtime's poller keeps for good and the cgroup files from
// which it learns its share of the processors.
func descriptors() map[string]string {
	open := map[string]string{}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		// What ReadDir itself had open is gone by now.
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && !strings.HasPrefix(target, "anon_inode:[event") && !strings.HasPrefix(target, "/sys/fs/cgroup/") {
			open[e.Name()] = target
		}
	}
	return open
}
