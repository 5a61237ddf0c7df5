// Package leaktest fails the tests of a package that leak a goroutine or a file
// descriptor.
package leaktest

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// grace is how long goroutines and descriptors may take to go after the tests,
// on a loaded machine.
const grace = 10 * time.Second

// A Runner is sandbox.Main or hooks.Main: it reports whether a test has started
// this process as the runner of a command, and then has run that.
type Runner func(args []string) (code int, isRunner bool)

// Main runs the tests and exits. A package calls it from TestMain, with the
// runners that its tests start.
func Main(m *testing.M, runners ...Runner) {
	for _, r := range runners {
		if code, isRunner := r(os.Args); isRunner {
			os.Exit(code)
		}
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
	var err error
	for end := time.Now().Add(grace); ; time.Sleep(10 * time.Millisecond) {
		if err = leak(before); err == nil || time.Now().After(end) {
			break
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

// leak returns what runs or is open now and was not before.
func leak(before map[string]string) error {
	err := goleak.Find()
	leaked := descriptors()
	maps.DeleteFunc(leaked, func(fd, target string) bool { return before[fd] == target })
	if len(leaked) > 0 {
		err = errors.Join(err, fmt.Errorf("leaked descriptors: %v", slices.Sorted(maps.Values(leaked))))
	}
	return err
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
