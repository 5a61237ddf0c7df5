//go:build vm

package vmtest

import (
	"bytes"
	"cmp"
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

// A vm is a running virtual machine. It is safe for concurrent use.
type vm struct {
	*agent.Client
	console string // file
	stream  *os.File
	monitor *monitor
	kill    context.CancelFunc
	ended   chan error // receives once: how qemu ended
}

// A hardware is what a machine consists of.
type hardware struct {
	imageDir string // kernel, initrd and disk
	shareDir string // the host's directory
	console  string // file
	disk     string // file to which the machine writes; "": the image's, which stays as it is
	card     card
	clock    string // date at the boot, as 2000-01-01; "": today
}

// A card is a network card at one end of a cable. The zero value is none.
type card struct {
	mac         string
	here, there string // sockets of both ends
}

// args returns qemu's options for the card.
func (c card) args() []string {
	if c == (card{}) {
		return nil
	}
	return []string{
		"-netdev", "dgram,id=cable,local.type=unix,local.path=" + c.here + ",remote.type=unix,remote.path=" + c.there,
		"-device", "virtio-net-pci,netdev=cable,romfile=,mac=" + c.mac,
	}
}

// drive returns qemu's description of the disk.
func (h hardware) drive() string {
	if h.disk != "" {
		return "file=" + h.disk + ",format=raw,if=virtio,cache=unsafe"
	}
	return "file=" + filepath.Join(h.imageDir, "disk.img") + ",format=raw,if=virtio,snapshot=on,cache=unsafe"
}

// boot starts a machine and waits until it accepts commands. The machine ends
// by close, and with this process.
func boot(ctx context.Context, h hardware) (*vm, error) {
	stream, agentEnd, err := streamPair()
	if err != nil {
		return nil, fmt.Errorf("boot: %w", err)
	}
	defer agentEnd.Close()
	monitor, monitorEnd, err := streamPair()
	if err != nil {
		stream.Close()
		return nil, fmt.Errorf("boot: %w", err)
	}
	defer monitorEnd.Close()
	machine, kill := context.WithCancel(context.Background())
	cmd := exec.CommandContext(machine, "qemu-system-x86_64", h.qemuArgs()...)
	cmd.ExtraFiles = []*os.File{agentEnd, monitorEnd} // descriptors 3 and 4
	var messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &messages, &messages
	v := &vm{
		console: h.console,
		stream:  stream,
		monitor: newMonitor(monitor, h.shareDir),
		kill:    kill,
		ended:   make(chan error, 1),
	}
	started := make(chan error, 1)
	go func() {
		// The kernel sends Pdeathsig when the thread that forked ends. This
		// thread must live as long as the process.
		runtime.LockOSThread()
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		err := cmd.Start()
		started <- err
		if err == nil {
			err = cmd.Wait()
			v.ended <- fmt.Errorf("qemu ended: %w: %s", err, strings.TrimSpace(messages.String()))
			stream.Close() // ends the client
			monitor.Close()
		}
	}()
	if err := <-started; err != nil {
		kill()
		stream.Close()
		monitor.Close()
		return nil, fmt.Errorf("boot: %w", err)
	}
	v.Client = agent.NewClient(stream)
	if err := v.Ready(ctx); err != nil {
		end := v.close()
		return nil, fmt.Errorf("boot: %w (%w)\n%s", err, end, tail(h.console, 30))
	}
	return v, nil
}

// close kills the machine and waits for its end. It returns how qemu ended.
func (v *vm) close() error {
	v.kill()
	err := <-v.ended
	v.Wait()
	return err
}

// kernelOptions are the guest kernel's command line.
var kernelOptions = []string{
	"root=/dev/vda", "rw", "console=ttyS0", "quiet", "panic=1", "systemd.show_status=0",
	"mitigations=off", "audit=0", "net.ifnames=0",
	// The other clock is an emulated HPET: each reading is a system call and
	// leaves the emulated code.
	"tsc=reliable", "clocksource=tsc",
	// A camera on vhci_hcd does not wake up from autosuspend: its first open
	// fails with EBUSY, then the kernel resets it.
	"usbcore.autosuspend=-1",
	// On a loaded host the kernel's check of its timer fails and panics.
	"no_timer_check",
}

func (h hardware) qemuArgs() []string {
	return append([]string{
		"-machine", "q35", "-accel", "tcg,thread=multi,tb-size=512",
		"-cpu", "max", // with AES instructions: faster than AES in emulated Go code
		"-smp", "2", "-m", "1024", "-nodefaults", "-display", "none", "-no-reboot",
		"-kernel", filepath.Join(h.imageDir, "vmlinuz"), "-initrd", filepath.Join(h.imageDir, "initrd.img"),
		"-append", strings.Join(kernelOptions, " "),
		"-drive", h.drive(),
		"-virtfs", "local,path=" + h.shareDir + ",mount_tag=host,security_model=none,readonly=on",
		"-device", "virtio-rng-pci",
		"-chardev", "socket,id=agent,fd=3",
		"-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=agent",
		"-serial", "file:" + h.console,
		"-chardev", "socket,id=monitor,fd=4", "-mon", "chardev=monitor,mode=control",
		// Two kinds of page flips: virtio transfers each frame, bochs scans
		// memory out.
		"-device", "virtio-gpu-pci,id=" + virtioDisplay + ",xres=1280,yres=800",
		"-device", "bochs-display,id=" + bochsDisplay + ",xres=1024,yres=768",
		"-rtc", "base=" + cmp.Or(h.clock, "utc"),
	}, h.card.args()...)
}

// streamPair returns two connected sockets. Close of the first ends its Read.
func streamPair() (local, remote *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	if err := unix.SetNonblock(pair[0], true); err != nil {
		return nil, nil, errors.Join(err, unix.Close(pair[0]), unix.Close(pair[1]))
	}
	return os.NewFile(uintptr(pair[0]), "agent"), os.NewFile(uintptr(pair[1]), "agent"), nil
}

// commandTimeout limits a command in the guest.
const commandTimeout = 3 * time.Minute

// shell runs a script by bash in the guest, as root, with stdin as its input.
// It returns the output. An error contains the error output.
func (v *vm) shell(ctx context.Context, script, stdin string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
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
