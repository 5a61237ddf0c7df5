package terminal

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const yes = "\x1b[0n"

// pty is a terminal whose screen is a buffer.
type pty struct {
	master, slave *os.File
	answers       bool // the question whether it is there
	kitty         bool // shows frames

	mu    sync.Mutex
	shown bytes.Buffer
	done  chan struct{}
}

func newPTY(t *testing.T, answers, kitty bool) *pty {
	t.Helper()
	// The runtime's poller is wanted on the side of the test, so that Close ends a read.
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	number := 0
	if cerr := raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &pty{master: master, slave: slave, answers: answers, kitty: kitty, done: make(chan struct{})}
	p.resize(t, 40, 12)
	go p.read()
	t.Cleanup(func() {
		slave.Close()
		master.Close()
		<-p.done
	})
	return p
}

func (p *pty) read() {
	defer close(p.done)
	buf := make([]byte, 4096)
	asked, attributed := 0, 0
	for {
		n, err := p.master.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		p.shown.Write(buf[:n])
		all, what := bytes.Count(p.shown.Bytes(), []byte(areYouThere)), bytes.Count(p.shown.Bytes(), []byte(whatAreYou))
		p.mu.Unlock()
		for ; p.answers && attributed < what; attributed++ {
			if p.kitty {
				p.say("\x1b_Gi=31;OK\x1b\\")
			}
			p.say("\x1b[?62;22c")
		}
		for ; p.answers && asked < all; asked++ {
			p.say(yes)
		}
	}
}

func (p *pty) say(what string) { _, _ = p.master.WriteString(what) }

func (p *pty) resize(t *testing.T, cols, rows uint16) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(p.slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: cols, Row: rows}); err != nil {
		t.Fatal(err)
	}
}

func (p *pty) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shown.String()
}

func (p *pty) await(t *testing.T, what string) {
	t.Helper()
	for range 1000 {
		if strings.Contains(p.text(), what) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%q never came; there is %q", what, p.text())
}

func (p *pty) settings(t *testing.T) unix.Termios {
	t.Helper()
	s, err := unix.IoctlGetTermios(int(p.slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *s
}
