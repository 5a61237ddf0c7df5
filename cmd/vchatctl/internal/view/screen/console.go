package screen

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"

	"golang.org/x/sys/unix"

	"vchat/cmd/vchatctl/internal/view/screen/internal/uapi"
)

// vt is a virtual console in graphics mode: the kernel draws no text on it. The
// kernel still handles Ctrl-Alt-F1 and so on, as only the terminal's line
// editing is off.
type vt struct {
	tty          *os.File
	number       int
	guard        *guard
	signals      chan os.Signal
	wakeR, wakeW *os.File
}

// openConsole opens the console at path or, if path is "", the one on stdin,
// else the controlling terminal.
func openConsole(path string, stdin *os.File) (*vt, error) {
	tty, number, err := findConsole(path, stdin)
	if err != nil {
		return nil, err
	}
	v := &vt{tty: tty, number: number, signals: make(chan os.Signal, 4)}
	if v.wakeR, v.wakeW, err = os.Pipe(); err != nil {
		tty.Close()
		return nil, err
	}
	if v.guard, err = startGuard(tty); err != nil {
		return nil, errors.Join(fmt.Errorf("console guard: %w", err), v.closeFiles())
	}
	if err := v.acquire(); err != nil {
		return nil, errors.Join(err, v.close())
	}
	return v, nil
}

func (v *vt) acquire() error {
	fd := int(v.tty.Fd())
	if err := disableLineEditing(fd); err != nil {
		return consoleError("set keyboard mode", err)
	}
	signal.Notify(v.signals, releaseSignal, acquireSignal)
	mode := uapi.VTMode{Mode: uapi.VTProcess, RelSig: int16(releaseSignal), AcqSig: int16(acquireSignal)}
	if err := uapi.SetVTMode(fd, mode); err != nil {
		return consoleError("set VT mode", err)
	}
	return consoleError("set graphics mode", uapi.SetKDMode(fd, uapi.KDGraphics))
}

// disableLineEditing makes reads return each key at once. It keeps the output
// flags, so that messages still end with a new line.
func disableLineEditing(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag &^= unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.IXON
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}

// findConsole returns an open file of the console, and its number.
func findConsole(path string, stdin *os.File) (*os.File, int, error) {
	if path != "" {
		f, err := openTTY(path)
		if err != nil {
			return nil, 0, consoleError("open "+path, err)
		}
		n, err := consoleNumber(f)
		if err != nil {
			f.Close()
			return nil, 0, consoleError(path, err)
		}
		return f, n, nil
	}
	if n, err := consoleNumber(stdin); err == nil {
		fd, err := unix.FcntlInt(stdin.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return nil, 0, consoleError("duplicate descriptor", err)
		}
		return os.NewFile(uintptr(fd), stdin.Name()), n, nil
	}
	f, err := openTTY("/dev/tty")
	if err != nil {
		return nil, 0, ErrNoConsole
	}
	n, err := consoleNumber(f)
	if err != nil {
		f.Close()
		return nil, 0, ErrNoConsole
	}
	return f, n, nil
}

// openTTY opens a terminal without os.OpenFile, which would set O_NONBLOCK for
// the runtime's poller: other processes, such as the guard, share the open
// file.
func openTTY(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// Available reports whether Open is likely to succeed on this terminal: it is a
// virtual console, and the user may open a card.
func Available(terminal *os.File) bool {
	if _, err := consoleNumber(terminal); err != nil {
		return false
	}
	cards, _ := linux{}.cards()
	return slices.ContainsFunc(cards, func(path string) bool { return unix.Access(path, unix.R_OK|unix.W_OK) == nil })
}

// consoleNumber returns N for the console /dev/ttyN.
func consoleNumber(f *os.File) (int, error) {
	const ttyMajor = 4 // Documentation/admin-guide/devices.txt; minors from 64 are serial ports
	if _, err := uapi.GetKDMode(int(f.Fd())); err != nil {
		return 0, err
	}
	dev, err := uapi.DeviceNumber(int(f.Fd()))
	if err != nil {
		return 0, err
	}
	if major, minor := dev>>8, dev&0xff; major == ttyMajor && minor > 0 && minor < 64 {
		return int(minor), nil
	}
	return 0, unix.ENOTTY
}

func (v *vt) active() (bool, error) {
	n, err := uapi.ActiveVT(int(v.tty.Fd()))
	return n == v.number, err
}

func (v *vt) switches() <-chan os.Signal { return v.signals }
func (v *vt) leave() error               { return uapi.AnswerVT(int(v.tty.Fd()), 1) }
func (v *vt) enter() error               { return uapi.AnswerVT(int(v.tty.Fd()), uapi.VTAckAcq) }

func (v *vt) read(b []byte) (int, error) {
	fds := []unix.PollFd{{Fd: int32(v.tty.Fd()), Events: unix.POLLIN}, {Fd: int32(v.wakeR.Fd()), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); errors.Is(err, unix.EINTR) {
			continue
		} else if err != nil {
			return 0, err
		}
		if fds[1].Revents != 0 {
			return 0, os.ErrClosed
		}
		n, err := unix.Read(int(v.tty.Fd()), b)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
			continue
		}
		if err == nil && n == 0 { // the terminal was hung up
			err = unix.EIO
		}
		return n, err
	}
}

func (v *vt) endReading() { v.wakeW.Close() }

// close restores the console. No read may be running.
func (v *vt) close() error {
	// Discard typed keys; the shell would read them.
	_ = unix.IoctlSetInt(int(v.tty.Fd()), unix.TCFLSH, unix.TCIFLUSH)
	err := v.guard.end()
	signal.Stop(v.signals) // the guard has ended the kernel's signals
	return errors.Join(err, v.closeFiles())
}

func (v *vt) closeFiles() error {
	v.wakeW.Close() // may be closed already
	return errors.Join(v.wakeR.Close(), v.tty.Close())
}
