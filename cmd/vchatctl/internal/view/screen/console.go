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

// vt is a virtual console of this machine, whose text the kernel does not draw while it is open. Ctrl-Alt-F1 and so on
// work all the same: the keyboard stays the kernel's, and only the terminal's line editing is off.
type vt struct {
	tty          *os.File
	number       int
	guard        *guard
	signals      chan os.Signal
	wakeR, wakeW *os.File
}

// openConsole takes the console by path, or else stdin, or else the controlling terminal.
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
		return nil, errors.Join(fmt.Errorf("the console's guard: %w", err), v.closeFiles())
	}
	if err := v.take(); err != nil {
		return nil, errors.Join(err, v.close())
	}
	return v, nil
}

func (v *vt) take() error {
	fd := int(v.tty.Fd())
	if err := readKeysAt(fd); err != nil {
		return ofConsole("asking for keys", err)
	}
	signal.Notify(v.signals, releaseSignal, acquireSignal)
	if err := uapi.SetVTMode(fd, uapi.VTMode{Mode: uapi.VTProcess, RelSig: int16(releaseSignal), AcqSig: int16(acquireSignal)}); err != nil {
		return ofConsole("asking to be told of switches", err)
	}
	return ofConsole("switching text off", uapi.SetKDMode(fd, uapi.KDGraphics))
}

// readKeysAt switches line editing off. Output stays as it is, so that messages written meanwhile are lines.
func readKeysAt(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag &^= unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.IXON
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}

// findConsole gives a console of its own file.
func findConsole(path string, stdin *os.File) (*os.File, int, error) {
	if path != "" {
		f, err := openTTY(path)
		if err != nil {
			return nil, 0, ofConsole("opening "+path, err)
		}
		n, err := consoleNumber(f)
		if err != nil {
			f.Close()
			return nil, 0, ofConsole(path, err)
		}
		return f, n, nil
	}
	if n, err := consoleNumber(stdin); err == nil {
		fd, err := unix.FcntlInt(stdin.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return nil, 0, ofConsole("duplicating it", err)
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

// openTTY keeps the file from the runtime's poller: it is shared with whoever else has the console.
func openTTY(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// Available says whether frames can probably be shown in place of what is on this terminal: it is a console of this
// machine, which has a card that we may open.
func Available(terminal *os.File) bool {
	if _, err := consoleNumber(terminal); err != nil {
		return false
	}
	cards, _ := linux{}.cards()
	return slices.ContainsFunc(cards, func(path string) bool { return unix.Access(path, unix.R_OK|unix.W_OK) == nil })
}

// consoleNumber is N of /dev/ttyN.
func consoleNumber(f *os.File) (int, error) {
	const consoles = 4 // major number, as in Documentation/admin-guide/devices.txt; minors from 64 on are serial ports
	if _, err := uapi.GetKDMode(int(f.Fd())); err != nil {
		return 0, err
	}
	dev, err := uapi.DeviceNumber(int(f.Fd()))
	if err != nil {
		return 0, err
	}
	if major, minor := dev>>8, dev&0xff; major == consoles && minor > 0 && minor < 64 {
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
		if err == nil && n == 0 { // hung up
			err = unix.EIO
		}
		return n, err
	}
}

func (v *vt) endReading() { v.wakeW.Close() }

// close leaves the console as it was found. Nobody reads any more.
func (v *vt) close() error {
	// What was typed for the viewer is not for the shell.
	_ = unix.IoctlSetInt(int(v.tty.Fd()), unix.TCFLSH, unix.TCIFLUSH)
	err := v.guard.end()
	signal.Stop(v.signals) // only now the kernel sends none any more
	return errors.Join(err, v.closeFiles())
}

func (v *vt) closeFiles() error {
	v.wakeW.Close() // may be closed already
	return errors.Join(v.wakeR.Close(), v.tty.Close())
}
