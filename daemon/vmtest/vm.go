//go:build vm

package vmtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"vchat/daemon/vmtest/agent"
)

// A vm is a running virtual machine. Its methods may be called from several goroutines.
type vm struct {
	*agent.Client
	console string // file
	stream  *os.File
	monitor *monitor
	kill    context.CancelFunc
	ended   chan error // qemu's end, once
}

// boot starts a machine with the disk in imageDir and the host's folder share, and waits until it takes commands. The
// machine ends with close, or with this process.
func boot(ctx context.Context, imageDir, share, console string) (*vm, error) {
	ours, theirs, err := streamPair()
	if err != nil {
		return nil, fmt.Errorf("boot: %w", err)
	}
	defer theirs.Close()
	monitor, monitors, err := streamPair()
	if err != nil {
		ours.Close()
		return nil, fmt.Errorf("boot: %w", err)
	}
	defer monitors.Close()
	machine, kill := context.WithCancel(context.Background())
	cmd := exec.CommandContext(machine, "qemu-system-x86_64", qemuArgs(imageDir, share, console)...)
	cmd.ExtraFiles = []*os.File{theirs, monitors} // descriptors 3 and 4
	var messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &messages, &messages
	v := &vm{console: console, stream: ours, monitor: newMonitor(monitor, share), kill: kill, ended: make(chan error, 1)}
	started := make(chan error, 1)
	go func() {
		// The kernel sends Pdeathsig when the thread that forked ends, not the process: the thread must stay ours.
		runtime.LockOSThread()
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		err := cmd.Start()
		started <- err
		if err == nil {
			err = cmd.Wait()
			v.ended <- fmt.Errorf("qemu ended: %w: %s", err, strings.TrimSpace(messages.String()))
			ours.Close() // ends the client
			monitor.Close()
		}
	}()
	if err := <-started; err != nil {
		kill()
		ours.Close()
		monitor.Close()
		return nil, fmt.Errorf("boot: %w", err)
	}
	v.Client = agent.NewClient(ours)
	if err := v.Ready(ctx); err != nil {
		end := v.close()
		return nil, fmt.Errorf("boot: %w (%w)\n%s", err, end, tail(console, 30))
	}
	return v, nil
}

// close kills the machine, whose disk is thrown away with it, and waits for its end. It returns how qemu ended.
func (v *vm) close() error {
	v.kill()
	err := <-v.ended
	v.Wait()
	return err
}

func qemuArgs(imageDir, share, console string) []string {
	return []string{
		"-machine", "q35", "-accel", "tcg,thread=multi,tb-size=512",
		"-cpu", "max", // AES instructions, too: emulated they are still faster than AES in emulated Go code
		"-smp", "2", "-m", "1024", "-nodefaults", "-display", "none", "-no-reboot",
		"-kernel", filepath.Join(imageDir, "vmlinuz"), "-initrd", filepath.Join(imageDir, "initrd.img"),
		// tsc, clocksource: or else time comes from an emulated HPET, a system call and an exit from the emulation each.
		// autosuspend: a camera that sleeps on vhci_hcd does not wake up; its first open is EBUSY, then it is plugged anew.
		// no_timer_check: on a busy host the kernel finds its timer too slow, and panics.
		"-append", "no_timer_check tsc=reliable clocksource=tsc usbcore.autosuspend=-1 console=ttyS0 root=/dev/vda rw quiet panic=1 mitigations=off audit=0 net.ifnames=0 systemd.show_status=0",
		"-drive", "file=" + filepath.Join(imageDir, "disk.img") + ",format=raw,if=virtio,snapshot=on,cache=unsafe",
		"-virtfs", "local,path=" + share + ",mount_tag=host,security_model=none,readonly=on",
		"-device", "virtio-rng-pci",
		"-chardev", "socket,id=agent,fd=3",
		"-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=agent",
		"-serial", "file:" + console,
		"-chardev", "socket,id=monitor,fd=4", "-mon", "chardev=monitor,mode=control",
		// Two kinds, as flips are concerned: virtio's driver shows what it is told to, bochs's scans memory out.
		"-device", "virtio-gpu-pci,id=" + virtioDisplay + ",xres=1280,yres=800",
		"-device", "bochs-display,id=" + bochsDisplay + ",xres=1024,yres=768",
	}
}

// streamPair returns the two ends of a socket, ours such that Close ends a Read.
func streamPair() (ours, theirs *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	if err := unix.SetNonblock(pair[0], true); err != nil {
		return nil, nil, errors.Join(err, unix.Close(pair[0]), unix.Close(pair[1]))
	}
	return os.NewFile(uintptr(pair[0]), "agent"), os.NewFile(uintptr(pair[1]), "agent"), nil
}

// commandTime is how long one command in the guest may take.
const commandTime = 90 * time.Second

// shell runs a script with bash in the guest, as root, with stdin, and returns its output. An error carries stderr.
func (v *vm) shell(ctx context.Context, script, stdin string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	var stdout, stderr bytes.Buffer
	err := v.Run(ctx, bash(script, stdin), &stdout, &stderr)
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", script, err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), err
}

func bash(script, stdin string) agent.Command {
	return agent.Command{Args: []string{"bash", "-c", "set -eu; " + script}, Stdin: []byte(stdin)}
}

// tail returns the last n lines of a file.
func tail(path string, n int) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 16<<20))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
