package screen

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"vchat/cmd/vchatctl/internal/view/screen/internal/uapi"
)

// GuardCommand is the argument with which Open starts the program again. With
// it as the only argument, main must call Guard and return its exit code.
const GuardCommand = "guard-console"

// guardStartTimeout is enough for a slow board under load.
const guardStartTimeout = 10 * time.Second

// guard is a process that restores the console after the viewer has ended, even
// by SIGKILL: the kernel then removes the frame, but leaves the console in
// graphics mode and its keyboard without echo. The guard also restores the
// console after a normal end, so that this path is always exercised.
//
//	viewer ── pipe, written by the viewer only ──▶ guard: at EOF, restore
//	       ◀───── "ready": settings are saved ────
type guard struct {
	cmd   *exec.Cmd
	alive *os.File
	tty   *os.File
	old   *unix.Termios
}

func startGuard(tty *os.File) (*guard, error) {
	old, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		return nil, consoleError("read terminal settings", err)
	}
	guardEnd, alive, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer guardEnd.Close()
	cmd := exec.Command("/proc/self/exe", GuardCommand)
	cmd.Stdin, cmd.Stderr, cmd.ExtraFiles = guardEnd, os.Stderr, []*os.File{tty}
	// A shell kills a job by its process group. Put the guard into the group of
	// the session leader, which is the shell. Without a shell this process
	// leads the session, and the guard shares its group.
	if sid, err := unix.Getsid(0); err == nil && sid > 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: sid}
	}
	ready, err := cmd.StdoutPipe()
	if err != nil {
		alive.Close()
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		alive.Close()
		return nil, err
	}
	g := &guard{cmd, alive, tty, old}
	timeout := time.AfterFunc(guardStartTimeout, func() { _ = cmd.Process.Kill() })
	defer timeout.Stop()
	if line, err := io.ReadAll(ready); string(line) != guardReady {
		alive.Close()
		return nil, errors.Join(errors.New("not started"), err, cmd.Wait())
	}
	return g, nil
}

const guardReady = "ready"

// end makes the guard restore the console, and waits for it.
func (g *guard) end() error {
	g.alive.Close()
	if err := g.cmd.Wait(); err != nil { // for example, the guard was killed
		return restore(int(g.tty.Fd()), g.old)
	}
	return nil
}

// restore sets the console to text mode, and its terminal settings to old.
func restore(fd int, old *unix.Termios) error {
	return errors.Join(
		consoleError("set VT mode", uapi.SetVTMode(fd, uapi.VTMode{Mode: uapi.VTAuto})),
		consoleError("set text mode", uapi.SetKDMode(fd, uapi.KDText)),
		consoleError("restore terminal settings", unix.IoctlSetTermios(fd, unix.TCSETS, old)))
}

// Guard runs the guard process and returns its exit code. Standard input is the
// pipe from the viewer, descriptor 3 the console.
func Guard() int {
	// Signals are for the viewer; the guard ends after it. With SIGTTOU
	// ignored, a background process may set the terminal.
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGTSTP, unix.SIGTTOU, unix.SIGTTIN,
		unix.SIGPIPE, releaseSignal, acquireSignal)
	const tty = 3
	console := os.NewFile(tty, "console")
	defer console.Close() // keeps the descriptor open: the garbage collector closes unreferenced files
	old, err := unix.IoctlGetTermios(tty, unix.TCGETS)
	if err != nil {
		return 1
	}
	number, err := consoleNumber(console)
	if err != nil {
		return 1
	}
	if _, err := os.Stdout.WriteString(guardReady); err != nil || os.Stdout.Close() != nil {
		return 1
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return 1
	}
	if err = restore(tty, old); err == nil {
		return 0
	}
	if err = reopenConsole("/dev/tty"+strconv.Itoa(number), old); err != nil {
		fmt.Fprintf(os.Stderr, "vchatctl: error: %v\n", err)
		return 1
	}
	return 0
}

// reopenConsole restores a console that the kernel has hung up. It does so when
// the viewer led the session, as the main process of a systemd unit does: the
// old descriptor then returns EIO. The guard needs a session of its own, with
// the console as its terminal, to be allowed to set it.
func reopenConsole(path string, old *unix.Termios) error {
	_, _ = unix.Setsid() // EPERM: already a leader
	deadline := time.Now().Add(2 * time.Second)
	for {
		// Without O_NOCTTY the console becomes the session's terminal, after
		// the old session has released it.
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err == nil {
			err = restore(fd, old)
			unix.Close(fd)
		}
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}
