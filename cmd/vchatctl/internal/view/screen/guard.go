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

// GuardCommand is the argument with which this program is started again by Open. Its main then does Guard, and nothing else.
const GuardCommand = "guard-console"

// guardStart is more than a slow board under load needs to start a program.
const guardStart = 10 * time.Second

// guard is a process that gives the console back when this one has ended, however that ends: the kernel itself takes the
// frame away from a program that was killed, but leaves the console without text and its keyboard without echo. There is
// one way back for all ends, so that the one for the worst case is always in use.
//
//	viewer ──── a pipe that only the viewer can write ────▶ guard: waits for its end, then restores the console
//	       ◀─────────── "ready": it has seen what there was
type guard struct {
	cmd  *exec.Cmd
	life *os.File
	tty  *os.File
	old  *unix.Termios
}

func startGuard(tty *os.File) (*guard, error) {
	old, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		return nil, ofConsole("asking how it is set", err)
	}
	theirs, life, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	cmd := exec.Command("/proc/self/exe", GuardCommand)
	cmd.Stdin, cmd.Stderr, cmd.ExtraFiles = theirs, os.Stderr, []*os.File{tty}
	// Whoever kills a shell's job kills its process group: the guard is in the shell's own. Where there is no shell, because
	// this process leads the session itself, that is this process's group.
	if sid, err := unix.Getsid(0); err == nil && sid > 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: sid}
	}
	ready, err := cmd.StdoutPipe()
	if err != nil {
		life.Close()
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		life.Close()
		return nil, err
	}
	g := &guard{cmd, life, tty, old}
	late := time.AfterFunc(guardStart, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	if said, err := io.ReadAll(ready); string(said) != guardReady {
		life.Close()
		return nil, errors.Join(errors.New("it did not start"), err, cmd.Wait())
	}
	return g, nil
}

const guardReady = "ready"

// end has the console given back, and waits for that.
func (g *guard) end() error {
	g.life.Close()
	if err := g.cmd.Wait(); err != nil { // somebody killed the guard, too
		return restore(int(g.tty.Fd()), g.old)
	}
	return nil
}

// restore leaves a console as text needs it, and its line editing as it was.
func restore(fd int, old *unix.Termios) error {
	return errors.Join(
		ofConsole("leaving switches to the kernel", uapi.SetVTMode(fd, uapi.VTMode{Mode: uapi.VTAuto})),
		ofConsole("switching text on", uapi.SetKDMode(fd, uapi.KDText)),
		ofConsole("setting it as it was", unix.IoctlSetTermios(fd, unix.TCSETS, old)))
}

// Guard is all that the program does when it is started with GuardCommand; it gives the exit code. Standard input is the
// pipe, descriptor 3 the console.
func Guard() int {
	// Signals are for the viewer, after whose end this one ends. SIGTTOU: to set a terminal from the background.
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGTSTP, unix.SIGTTOU, unix.SIGTTIN, unix.SIGPIPE,
		releaseSignal, acquireSignal)
	const tty = 3
	console := os.NewFile(tty, "console")
	defer console.Close() // and not before: the collector closes files that nobody refers to
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
	if err = takeBack("/dev/tty"+strconv.Itoa(number), old); err != nil {
		fmt.Fprintf(os.Stderr, "vchatctl: error: %v\n", err)
		return 1
	}
	return 0
}

// takeBack is for when the viewer led the session, as the main process of a systemd unit does: at its death the kernel
// hangs the console up, which makes our descriptor of it useless and takes the right away to set it. Both come with a
// session of our own.
func takeBack(path string, old *unix.Termios) error {
	_, _ = unix.Setsid() // EPERM: we lead one
	deadline := time.Now().Add(2 * time.Second)
	for {
		// Without O_NOCTTY, so that it becomes the session's terminal, once the last session has let go of it.
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
