package terminal

import (
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vchat/daemon/daemontest/pty"
	"vchat/daemon/daemontest/syncbuffer"
)

// statusOK is the reply to queryStatus.
const statusOK = "\x1b[0n"

// fakeTerminal is a terminal for tests. It keeps what was written to it.
type fakeTerminal struct {
	master, slave *os.File
	replies       bool   // to queries
	kitty         bool   // supports graphics
	background    string // the reply to queryBackground

	output syncbuffer.Buffer
	done   chan struct{}
}

func newFakeTerminal(t *testing.T, replies, kitty bool) *fakeTerminal {
	t.Helper()
	master, slave := pty.Open(t)
	p := &fakeTerminal{master: master, slave: slave, replies: replies, kitty: kitty, done: make(chan struct{})}
	p.resize(t, 40, 12)
	go p.read()
	t.Cleanup(func() {
		slave.Close()
		master.Close()
		<-p.done
	})
	return p
}

func (p *fakeTerminal) read() {
	defer close(p.done)
	buf := make([]byte, 4096)
	statusReplies, attributeReplies := 0, 0
	for {
		n, err := p.master.Read(buf)
		if err != nil {
			return
		}
		_, _ = p.output.Write(buf[:n])
		statusQueries := strings.Count(p.text(), queryStatus)
		attributeQueries := strings.Count(p.text(), queryAttributes)
		for ; p.replies && attributeReplies < attributeQueries; attributeReplies++ {
			if p.kitty {
				p.send("\x1b_Gi=31;OK\x1b\\")
			}
			if strings.Contains(p.text(), queryBackground) {
				p.send(p.background)
			}
			p.send("\x1b[?62;22c")
		}
		for ; p.replies && statusReplies < statusQueries; statusReplies++ {
			p.send(statusOK)
		}
	}
}

// send sends input, as if it was typed.
func (p *fakeTerminal) send(text string) { _, _ = p.master.WriteString(text) }

func (p *fakeTerminal) resize(t *testing.T, cols, rows uint16) {
	t.Helper()
	size := unix.Winsize{Col: cols, Row: rows}
	if err := unix.IoctlSetWinsize(int(p.slave.Fd()), unix.TIOCSWINSZ, &size); err != nil {
		t.Fatal(err)
	}
}

func (p *fakeTerminal) text() string { return p.output.String() }

// await waits until the output contains want.
func (p *fakeTerminal) await(t *testing.T, want string) {
	t.Helper()
	for range 3000 {
		if strings.Contains(p.text(), want) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("got output %q, want %q", p.text(), want)
}

func (p *fakeTerminal) settings(t *testing.T) unix.Termios {
	t.Helper()
	s, err := unix.IoctlGetTermios(int(p.slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *s
}
