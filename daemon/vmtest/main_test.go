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

// machine is the one VM of all tests; share is its /mnt/host on this side.
var (
	machine *vm
	share   string
)

// bootTime is some 10 s on a machine that has nothing else to do.
const bootTime = 3 * time.Minute

func TestMain(m *testing.M) {
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "vmtest:", err)
		code = 1
	}
	os.Exit(code)
}

func runAll(m *testing.M) (int, error) {
	imageDir, err := buildImage()
	if err != nil {
		return 1, err
	}
	share, err = os.MkdirTemp("", "vmtest-")
	if err != nil {
		return 1, err
	}
	if os.Getenv("VCHAT_VM_KEEP") == "" {
		defer os.RemoveAll(share)
	}
	if err := fillShare(); err != nil {
		return 1, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), bootTime)
	defer cancel()
	start := time.Now()
	console := filepath.Join(share, "console.log")
	if machine, err = boot(ctx, imageDir, share, console); err != nil {
		return 1, err
	}
	defer machine.close()
	fmt.Fprintf(os.Stderr, "vmtest: booted in %.1f s\n", time.Since(start).Seconds())
	if _, err := machine.shell(ctx, "bash /mnt/host/guest/setup.sh", ""); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// buildImage runs image.sh and returns where it builds.
func buildImage() (string, error) {
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		return "", fmt.Errorf("%w: apt-get install qemu-system-x86", err)
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

// fillShare builds the test programs for the guest and puts its files beside them.
func fillShare() error {
	return errors.Join(
		os.CopyFS(filepath.Join(share, "guest"), os.DirFS("guest")),
		buildInto(share, "./agent/vmagent", "./uvcsim", "./framecheck"))
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
