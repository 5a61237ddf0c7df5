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
	areYouThere = "\x1b[5n"                     // device status report; the answer is ESC [ 0 n
	answer      = "\x1b[0n"
)

// leaveTimeout bounds each step of the way back on a terminal that takes nothing any more, such as a broken SSH connection.
const leaveTimeout = 500 * time.Millisecond

// grid is the size of a terminal.
type grid struct {
	cols, rows int
	cellAspect float64 // height of a cell by its width
}

// key is what the user or the terminal has said.
type key int

const (
	keyQuit key = iota
	keyInterrupt
	keyAnswer
)

// screen is a terminal in the state in which pictures are shown.
type screen struct {
	in        *os.File
	tty       *os.File     // where the pictures go …
	out       *view.Output // … by this
	canAnswer bool         // in is a terminal in raw mode, so that answers are heard and not echoed

	keys    chan key
	before  *term.State
	wakeR   *os.File
	wakeW   *os.File
	reading sync.WaitGroup
}

func open(ctx context.Context, in, out *os.File) (*screen, error) {
	s := &screen{in: in, tty: out, keys: make(chan key, 16)}
	if term.IsTerminal(int(in.Fd())) {
		var err error
		if s.wakeR, s.wakeW, err = os.Pipe(); err != nil {
			return nil, err
		}
		if s.before, err = term.MakeRaw(int(in.Fd())); err != nil {
			s.wakeR.Close()
			s.wakeW.Close()
			return nil, err
		}
		s.canAnswer = true
		s.reading.Go(s.read)
	}
	s.out = view.Interruptible(ctx, out)
	if _, err := s.out.WriteString(enter); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// close leaves the terminal as it was found.
func (s *screen) close() error {
	var errs []error
	if s.before != nil {
		s.wakeW.Close()
		s.reading.Wait()
		s.wakeR.Close()
		// What was typed for the viewer is not for the shell.
		_ = unix.IoctlSetInt(int(s.in.Fd()), unix.TCFLSH, unix.TCIFLUSH)
		errs = append(errs, term.Restore(int(s.in.Fd()), s.before))
	}
	s.out.Finish(leaveTimeout)
	if _, err := s.out.WriteString(leave); err != nil && !errors.Is(err, unix.EIO) {
		errs = append(errs, err)
	}
	errs = append(errs, s.out.Close())
	return errors.Join(errs...)
}

func (s *screen) write(b []byte) error {
	for _, piece := range [...][]byte{[]byte(beginSync), b, []byte(endSync)} {
		if _, err := s.out.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

func (s *screen) size() (grid, error) {
	ws, err := unix.IoctlGetWinsize(int(s.tty.Fd()), unix.TIOCGWINSZ)
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
			g.cellAspect = aspect
		}
	}
	return g, nil
}

// read turns bytes into keys until the screen is closed.
func (s *screen) read() {
	var p parser
	buf := make([]byte, 256)
	fds := []unix.PollFd{{Fd: int32(s.in.Fd()), Events: unix.POLLIN}, {Fd: int32(s.wakeR.Fd()), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); errors.Is(err, unix.EINTR) {
			continue
		} else if err != nil || fds[1].Revents != 0 {
			return
		}
		n, err := unix.Read(int(s.in.Fd()), buf)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
			continue
		}
		if err != nil || n <= 0 { // the terminal is gone
			s.send(keyQuit)
			return
		}
		for _, b := range buf[:n] {
			if k, ok := p.next(b); ok {
				s.send(k)
			}
		}
	}
}

// send never waits: who types faster than a picture is painted is not listened to that closely.
func (s *screen) send(k key) {
	select {
	case s.keys <- k:
	default:
	}
}

// parser tells keys from the terminal's answers in what comes from it.
type parser struct{ escape []byte }

func (p *parser) next(b byte) (key, bool) {
	if len(p.escape) > 0 {
		p.escape = append(p.escape, b)
		switch n := len(p.escape); {
		case n == 2 && b == '[':
		case n > 2 && b >= 0x20 && b < 0x40 && n < 32: // parameters
		default: // the final byte, or no sequence that is known
			k, ok := keyAnswer, string(p.escape) == answer
			p.escape = p.escape[:0]
			return k, ok
		}
		return 0, false
	}
	switch b {
	case 'q', 'Q':
		return keyQuit, true
	case 3: // Ctrl-C, which raw mode hands on as it is
		return keyInterrupt, true
	case 0x1b:
		p.escape = append(p.escape, b)
	}
	return 0, false
}
