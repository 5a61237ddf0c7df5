package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// maxInstalled is the size of the programs that a small device has room for.
const maxInstalled = 16 << 20

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
}
