package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// maxInstalled is the size of the programs that a small device has room for.
const maxInstalled = 18 << 20

// One file with both programs is what the package installs.
func TestOneFile(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the programs")
	}
	dir := t.TempDir()
	daemon, ctl := filepath.Join(dir, "vchatd"), filepath.Join(dir, "vchatctl")
	build := exec.Command("go", "build", "-tags", "onefile", "-ldflags", "-s -w", "-o", daemon, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	if err := os.Symlink("vchatd", ctl); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{daemon, ctl} {
		out, err := exec.Command(program, "--version").Output()
		if want := filepath.Base(program) + " "; err != nil || !strings.HasPrefix(string(out), want) {
			t.Errorf("%s --version: got %q and %v, want %q", program, out, err, want)
		}
	}
	file, err := os.Stat(daemon)
	if err != nil {
		t.Fatal(err)
	}
	if file.Size() > maxInstalled {
		t.Errorf("the programs have %d bytes, more than %d; packaging/doc/size.md says how to find out why",
			file.Size(), maxInstalled)
	}
	checkInits(t, daemon)
}

// maxInitAllocs is how much a package of vchat may allocate before main runs.
// A regular expression takes 50 allocations and more.
const maxInitAllocs = 40

// checkInits fails for packages of vchat that compute much at every start of
// either program, most often for a command that is not used.
func checkInits(t *testing.T, program string) {
	t.Helper()
	cmd := exec.Command(program, "--version")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	found := 0
	for line := range strings.Lines(stderr.String()) {
		var path string
		var at, clock float64
		var size, allocs int
		if n, _ := fmt.Sscanf(line, "init %s @%f ms, %f ms clock, %d bytes, %d allocs", &path, &at, &clock, &size,
			&allocs); n != 5 || !strings.HasPrefix(path, "vchat/") {
			continue
		}
		if found++; allocs > maxInitAllocs {
			t.Errorf("package %s makes %d allocations (%d bytes) at every start, want at most %d", path, allocs,
				size, maxInitAllocs)
		}
	}
	if found == 0 {
		t.Errorf("no package of vchat in the trace:\n%s", &stderr)
	}
}
