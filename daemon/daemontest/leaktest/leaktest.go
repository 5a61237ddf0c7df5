// Package leaktest fails the tests of a package that leak a goroutine or a file
// descriptor.
package leaktest

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"vchat/daemon/hooks"
	"vchat/daemon/sandbox"
)

// Main runs the tests and exits. A package calls it from TestMain. A process
// that a test has started as the runner of a camera command or a hook becomes
// that.
func Main(m *testing.M) {
	if code, isRunner := sandbox.Main(os.Args); isRunner {
		os.Exit(code)
	}
	if code, isRunner := hooks.Main(os.Args); isRunner {
		os.Exit(code)
	}
	os.Exit(Checked{m}.Run())
}

// Checked runs tests and checks for leaks. It is for packages that do more in
// TestMain, such as testscript.Main.
type Checked struct{ M *testing.M }

// Run returns the exit code of the tests, or 1 after a leak.
func (c Checked) Run() int {
	before := descriptors()
	code := c.M.Run()
	if code != 0 {
		return code // a failed test may have leaked
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	leaked := descriptors()
	maps.DeleteFunc(leaked, func(fd, target string) bool { return before[fd] == target })
	if len(leaked) > 0 {
		fmt.Fprintf(os.Stderr, "leaked descriptors: %v\n", slices.Sorted(maps.Values(leaked)))
		code = 1
	}
	return code
}

// descriptors returns the targets of the open descriptors by number. It omits
// those that the Go runtime keeps open: the poller's, and the cgroup files with
// the CPU limit.
func descriptors() map[string]string {
	open := map[string]string{}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		// The descriptor of ReadDir itself is closed by now: Readlink fails.
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && !strings.HasPrefix(target, "anon_inode:[event") &&
			!strings.HasPrefix(target, "/sys/fs/cgroup/") {
			open[e.Name()] = target
		}
	}
	return open
}
