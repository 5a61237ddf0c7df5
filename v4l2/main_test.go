package v4l2_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails if the tests leave a goroutine or a descriptor behind.
func TestMain(m *testing.M) {
	// A pipe makes the runtime open its poller, which stays open.
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	r.Close()
	w.Close()
	before := descriptors()
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	for fd, target := range descriptors() {
		if before[fd] != target && code == 0 {
			fmt.Fprintf(os.Stderr, "descriptor %s was left open: %s\n", fd, target)
			code = 1
		}
	}
	os.Exit(code)
}

func descriptors() map[string]string {
	all := make(map[string]string)
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		// The descriptor of ReadDir itself is closed by now.
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			all[e.Name()] = target
		}
	}
	return all
}
