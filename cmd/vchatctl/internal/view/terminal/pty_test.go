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

// statusOK is the reply to queryStatus.
const statusOK = "\x1b[0n"

// pty is a fake terminal. It keeps what was written to it.
type pty struct {
	master, slave *os.File
	replies       bool // to queries
	kitty         bool // supports graphics

	mu     sync.Mutex
	output bytes.Buffer
	done   chan struct{}
}

func newPTY(t *testing.T, replies, kitty bool) *pty {
	t.Helper()
	// Non-blocking, so that the runtime polls it and Close ends a read.
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
	p := &pty{master: master, slave: slave, replies: replies, kitty: kitty, done: make(chan struct{})}
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
	statusReplies, attributeReplies := 0, 0
	for {
		n, err := p.master.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		p.output.Write(buf[:n])
		statusQueries := bytes.Count(p.output.Bytes(), []byte(queryStatus))
		attributeQueries := bytes.Count(p.output.Bytes(), []byte(queryAttributes))
		p.mu.Unlock()
		for ; p.replies && attributeReplies < attributeQueries; attributeReplies++ {
			if p.kitty {
				p.send("\x1b_Gi=31;OK\x1b\\")
			}
			p.send("\x1b[?62;22c")
		}
		for ; p.replies && statusReplies < statusQueries; statusReplies++ {
			p.send(statusOK)
		}
	}
}

// send sends input, as if it was typed.
func (p *pty) send(text string) { _, _ = p.master.WriteString(text) }

func (p *pty) resize(t *testing.T, cols, rows uint16) {
	t.Helper()
	size := unix.Winsize{Col: cols, Row: rows}
	if err := unix.IoctlSetWinsize(int(p.slave.Fd()), unix.TIOCSWINSZ, &size); err != nil {
		t.Fatal(err)
	}
}

func (p *pty) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// await waits until the output contains want.
func (p *pty) await(t *testing.T, want string) {
	t.Helper()
	for range 1000 {
		if strings.Contains(p.text(), want) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("got output %q, want %q", p.text(), want)
}

func (p *pty) settings(t *testing.T) unix.Termios {
	t.Helper()
	s, err := unix.IoctlGetTermios(int(p.slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *s
}
