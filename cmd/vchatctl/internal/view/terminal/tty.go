package terminal

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"vchat/cmd/vchatctl/internal/view"
)

// What is said to the terminal: ECMA-48, and DEC's private modes as xterm documents them.
const (
	enter       = "\x1b[?1049h\x1b[?25l\x1b[2J" // the alternate screen, without a cursor
	leave       = "\x1b[0m\x1b[?25h\x1b[?1049l" // and back
	clearScreen = "\x1b[0m\x1b[2J"              //
	beginSync   = "\x1b[?2026h"                 // show all of what follows at once …
	endSync     = "\x1b[?2026l"                 // … now
	areYouThere = "\x1b[5n"                     // device status report
	whatAreYou  = "\x1b[c"                      // primary device attributes: every terminal that answers at all answers this
)

const (
	leaveTimeout  = 500 * time.Millisecond // for each step of the way back on a terminal that takes nothing any more
	escapeTimeout = 50 * time.Millisecond  // for what follows an Escape, if it is not the key
)

// grid is the size of a terminal.
type grid struct {
	cols, rows    int
	width, height int     // pixels; 0: it does not say
	cellAspect    float64 // height of a cell by its width
}

// tty is a terminal in the state in which frames are shown.
//
//	bytes ─▶ goroutine ─▶ parser ─▶ heard
type tty struct {
	in        *os.File
	tty       *os.File     // where the frames go …
	out       *view.Output // … by this
	canAnswer bool         // in is a terminal in raw mode, so that answers are heard and not echoed

	heard func(said)
	gone  func() // the terminal is

	before  *term.State
	wakeR   *os.File
	wakeW   *os.File
	reading sync.WaitGroup
}

// open takes the terminal over. Heard and gone are called by a goroutine until close.
func open(ctx context.Context, in, out *os.File, heard func(said), gone func()) (*tty, error) {
	t := &tty{in: in, tty: out, heard: heard, gone: gone}
	if term.IsTerminal(int(in.Fd())) {
		var err error
		if t.wakeR, t.wakeW, err = os.Pipe(); err != nil {
			return nil, err
		}
		if t.before, err = term.MakeRaw(int(in.Fd())); err != nil {
			t.wakeR.Close()
			t.wakeW.Close()
			return nil, err
		}
		t.canAnswer = true
		t.reading.Go(t.read)
	}
	t.out = view.Interruptible(ctx, out)
	if _, err := t.out.WriteString(enter); err != nil {
		return nil, errors.Join(err, t.close(""))
	}
	return t, nil
}

// close leaves the terminal as it was found. Last is written before.
func (t *tty) close(last string) error {
	var errs []error
	if t.before != nil {
		t.wakeW.Close()
		t.reading.Wait()
		t.wakeR.Close()
		// What was typed for the viewer is not for the shell.
		_ = unix.IoctlSetInt(int(t.in.Fd()), unix.TCFLSH, unix.TCIFLUSH)
		if err := term.Restore(int(t.in.Fd()), t.before); !errors.Is(err, unix.EIO) {
			errs = append(errs, err)
		}
	}
	t.out.Finish(leaveTimeout)
	if _, err := t.out.WriteString(last + leave); err != nil && !errors.Is(err, unix.EIO) {
		errs = append(errs, err)
	}
	errs = append(errs, t.out.Close())
	return errors.Join(errs...)
}

// write writes in one piece, which a terminal that knows of it shows in one piece too.
func (t *tty) write(b []byte) error {
	for _, piece := range [...][]byte{[]byte(beginSync), b, []byte(endSync)} {
		if _, err := t.out.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

func (t *tty) size() (grid, error) {
	ws, err := unix.IoctlGetWinsize(int(t.tty.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return grid{}, err
	}
	g := grid{cols: int(ws.Col), rows: int(ws.Row), cellAspect: 2}
	if g.cols == 0 || g.rows == 0 { // a serial console knows no size
		g.cols, g.rows = 80, 24
	}
	if ws.Xpixel > 0 && ws.Ypixel > 0 {
		aspect := float64(ws.Ypixel) / float64(g.rows) / (float64(ws.Xpixel) / float64(g.cols))
		if aspect > 1 && aspect < 4 { // what is beyond that is no font
			g.cellAspect, g.width, g.height = aspect, int(ws.Xpixel), int(ws.Ypixel)
		}
	}
	return g, nil
}

// read hands on what the terminal says until it is closed.
func (t *tty) read() {
	var p parser
	buf := make([]byte, 256)
	fds := []unix.PollFd{{Fd: int32(t.in.Fd()), Events: unix.POLLIN}, {Fd: int32(t.wakeR.Fd()), Events: unix.POLLIN}}
	for {
		wait := -1
		if p.alone() {
			wait = int(escapeTimeout.Milliseconds())
		}
		switch n, err := unix.Poll(fds, wait); {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil || fds[1].Revents != 0:
			return
		case n == 0:
			t.heard(p.nothing())
			continue
		}
		n, err := unix.Read(int(t.in.Fd()), buf)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
			continue
		}
		if err != nil || n <= 0 {
			t.gone()
			return
		}
		for _, b := range buf[:n] {
			if s, ok := p.next(b); ok {
				t.heard(s)
			}
		}
	}
}
