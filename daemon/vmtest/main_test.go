//go:build vm

package vmtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	machine  *vm    // of all tests
	imageDir string // of the machine's disk
	shareDir string // on the host; /mnt/host in the guest
)

// bootTimeout is generous: booting takes about 10 s on an idle host, and
// minutes on one that builds and tests at the same time.
const bootTimeout = 10 * time.Minute

func TestMain(m *testing.M) {
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "vmtest:", err)
		code = 1
	}
	os.Exit(code)
}

// runTests boots the machine and runs all tests.
func runTests(m *testing.M) (int, error) {
	var err error
	if imageDir, err = buildImage(); err != nil {
		return 1, err
	}
	shareDir, err = os.MkdirTemp("", "vmtest-")
	if err != nil {
		return 1, err
	}
	if os.Getenv("VCHAT_VM_KEEP") == "" {
		defer os.RemoveAll(shareDir)
	}
	if err := fillShareDir(); err != nil {
		return 1, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), bootTimeout)
	defer cancel()
	start := time.Now()
	console := filepath.Join(shareDir, "console.log")
	h := hardware{imageDir: imageDir, shareDir: shareDir, console: console}
	if powerCuts() {
		h.card, _ = cards(shareDir)
	}
	if machine, err = boot(ctx, h); err != nil {
		return 1, err
	}
	defer machine.close()
	fmt.Fprintf(os.Stderr, "vmtest: booted in %.1f s\n", time.Since(start).Seconds())
	if _, err := machine.shell(ctx, "bash /mnt/host/guest/setup.sh", ""); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// buildImage runs image.sh and returns the directory of the image.
func buildImage() (string, error) {
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		return "", fmt.Errorf("%w; install it: apt-get install qemu-system-x86", err)
	}
	dir := os.Getenv("VCHAT_VM_DIR")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(cache, "vchat-vm")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	cmd := exec.Command("./image.sh")
	cmd.Env = append(cmd.Environ(), "VCHAT_VM_DIR="+dir)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return dir, cmd.Run()
}

// fillShareDir builds the test programs into shareDir and copies the guest's
// files there.
func fillShareDir() error {
	return errors.Join(
		os.CopyFS(filepath.Join(shareDir, "guest"), os.DirFS("guest")),
		buildInto(shareDir, "./agent/vmagent", "./uvcsim", "./inputsim", "./framecheck"))
}

func buildInto(dir string, packages ...string) error {
	return runGo(append([]string{"build", "-trimpath", "-o", dir + "/"}, packages...)...)
}

func runGo(args ...string) error {
	cmd := exec.Command("go", args...)
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}
