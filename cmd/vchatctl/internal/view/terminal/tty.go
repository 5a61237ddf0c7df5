package terminal

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"vchat/cmd/vchatctl/internal/view"
)

// Control sequences of ECMA-48 and DEC's private modes, documented by xterm.
const (
	enterScreen     = "\x1b[?1049h" + setModes + "\x1b[2J"     // alternate screen
	leaveScreen     = "\x1b[0m\x1b[?2004l\x1b[?25h\x1b[?1049l" // main screen, cursor
	setModes        = "\x1b[?25l\x1b[?2004h"                   // no cursor, bracketed paste
	clearScreen     = "\x1b[0m\x1b[2J"
	beginSync       = "\x1b[?2026h" // begin synchronized update
	endSync         = "\x1b[?2026l" // show the update
	queryStatus     = "\x1b[5n"     // device status report
	queryBackground = "\x1b]11;?\x1b\\"
	queryAttributes = "\x1b[c" // primary device attributes; every terminal that replies at all replies to it
)

const (
	closeTimeout  = 500 * time.Millisecond // for each step of closing a terminal that does not read
	escapeTimeout = 50 * time.Millisecond  // after it, an Escape is the key and not the start of a sequence
	// sequenceTimeout is longer than a slow line needs for the rest of a reply.
	sequenceTimeout = time.Second
)

// grid is the size of a terminal.
type grid struct {
	cols, rows    int
	width, height int     // in pixels; 0: unknown
	cellAspect    float64 // height of a cell divided by its width
}

// tty is a terminal in raw mode that shows the alternate screen.
//
//	bytes ─▶ goroutine ─▶ parser ─▶ onToken
type tty struct {
	in       *os.File
	tty      *os.File     // the terminal
	out      *view.Output // writes to tty
	canReply bool         // in is a terminal in raw mode: replies are read and not echoed

	onToken func(token)
	onGone  func()
	stop    func() // stops this process; it returns when the process goes on

	writing sync.Mutex // for out, and for the modes of the terminal
	closed  bool
	saved   *term.State
	wakeR   *os.File
	wakeW   *os.File
	reading sync.WaitGroup
}

// open takes over a terminal. A goroutine calls onToken and onGone until close.
func open(ctx context.Context, in, out *os.File, onToken func(token), onGone func()) (*tty, error) {
	t := &tty{in: in, tty: out, onToken: onToken, onGone: onGone, stop: stopProcess}
	if term.IsTerminal(int(in.Fd())) {
		var err error
		if t.wakeR, t.wakeW, err = os.Pipe(); err != nil {
			return nil, err
		}
		if t.saved, err = term.MakeRaw(int(in.Fd())); err != nil {
			t.wakeR.Close()
			t.wakeW.Close()
			return nil, err
		}
		t.canReply = true
		t.reading.Go(t.read)
	}
	t.out = view.Interruptible(ctx, out)
	if _, err := t.out.WriteString(enterScreen); err != nil {
		return nil, errors.Join(err, t.close(""))
	}
	return t, nil
}

// close writes last and restores the terminal.
func (t *tty) close(last string) error {
	t.out.Finish(closeTimeout) // before the lock: it ends a write that waits
	t.writing.Lock()
	defer t.writing.Unlock()
	t.closed = true
	var errs []error
	if t.saved != nil {
		t.wakeW.Close()
		t.reading.Wait()
		t.wakeR.Close()
		// Keys for the viewer must not reach the shell.
		_ = unix.IoctlSetInt(int(t.in.Fd()), unix.TCFLSH, unix.TCIFLUSH)
		if err := term.Restore(int(t.in.Fd()), t.saved); !errors.Is(err, unix.EIO) {
			errs = append(errs, err)
		}
	}
	if _, err := t.out.WriteString(last + leaveScreen); err != nil && !errors.Is(err, unix.EIO) {
		errs = append(errs, err)
	}
	errs = append(errs, t.out.Close())
	return errors.Join(errs...)
}

// write writes b as a synchronized update, which a terminal that supports it
// shows at once.
func (t *tty) write(b []byte) error {
	t.writing.Lock()
	defer t.writing.Unlock()
	for _, piece := range [...][]byte{[]byte(beginSync), b, []byte(endSync)} {
		if _, err := t.out.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

// suspend gives the terminal back while the process is stopped. First it waits
// until replied reports that no reply is due: the shell would take it for
// input.
func (t *tty) suspend(replied func() bool) {
	t.writing.Lock()
	defer t.writing.Unlock()
	if t.closed {
		return
	}
	for deadline := time.Now().Add(closeTimeout); !replied() && time.Now().Before(deadline); {
		time.Sleep(escapeTimeout / 5)
	}
	_, _ = t.out.WriteString(leaveScreen) // the next write returns the error
	if t.saved != nil {
		_ = term.Restore(int(t.in.Fd()), t.saved)
	}
	t.stop()
	t.setRaw()
	_, _ = t.out.WriteString(enterScreen)
}

// resume sets the modes again after the process was stopped from outside: the
// shell has changed them.
func (t *tty) resume() {
	t.writing.Lock()
	defer t.writing.Unlock()
	if !t.closed {
		t.setRaw()
		_, _ = t.out.WriteString(setModes)
	}
}

func (t *tty) setRaw() {
	if t.saved != nil {
		_, _ = term.MakeRaw(int(t.in.Fd())) // the next read returns the error
	}
}

// stopProcess stops this process. SIGTSTP cannot do that: once it was notified,
// Go has no default action for it.
func stopProcess() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// Sent to this thread, the signal arrives before Tgkill returns.
	_ = unix.Tgkill(unix.Getpid(), unix.Gettid(), unix.SIGSTOP)
}

// canSuspend reports whether a shell can continue this process: it leads the
// session, and this process is not in its group.
func canSuspend() bool {
	sid, err := unix.Getsid(0)
	return err == nil && sid != unix.Getpgrp()
}

func (t *tty) size() (grid, error) {
	ws, err := unix.IoctlGetWinsize(int(t.tty.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return grid{}, err
	}
	g := grid{cols: int(ws.Col), rows: int(ws.Row), cellAspect: 2}
	if g.cols == 0 || g.rows == 0 { // a serial console has no size
		g.cols, g.rows = 80, 24
	}
	if ws.Xpixel > 0 && ws.Ypixel > 0 {
		aspect := float64(ws.Ypixel) / float64(g.rows) / (float64(ws.Xpixel) / float64(g.cols))
		if aspect > 1 && aspect < 4 { // other values are not those of a font
			g.cellAspect, g.width, g.height = aspect, int(ws.Xpixel), int(ws.Ypixel)
		}
	}
	return g, nil
}

// read passes on the input until the terminal is closed.
func (t *tty) read() {
	var p parser
	buf := make([]byte, 256)
	fds := []unix.PollFd{{Fd: int32(t.in.Fd()), Events: unix.POLLIN}, {Fd: int32(t.wakeR.Fd()), Events: unix.POLLIN}}
	for {
		wait := -1
		if t := p.timeout(); t > 0 {
			wait = int(t.Milliseconds())
		}
		switch n, err := unix.Poll(fds, wait); {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil || fds[1].Revents != 0:
			return
		case n == 0:
			if token, ok := p.flush(); ok {
				t.onToken(token)
			}
			continue
		}
		n, err := unix.Read(int(t.in.Fd()), buf)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
			continue
		}
		if err != nil || n <= 0 {
			t.onGone()
			return
		}
		for _, b := range buf[:n] {
			if token, ok := p.feed(b); ok {
				t.onToken(token)
			}
		}
	}
}
