package screen

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// pretendConsole is a console that is switched by its methods.
type pretendConsole struct {
	mu      sync.Mutex
	away    bool
	signals chan os.Signal
	keys    chan []byte
	end     chan struct{}
	leaves  int
	enters  int
	closed  bool
}

func newConsole() *pretendConsole {
	return &pretendConsole{signals: make(chan os.Signal, 4), keys: make(chan []byte), end: make(chan struct{})}
}

func (c *pretendConsole) count(what *int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	*what++
	return nil
}

func (c *pretendConsole) active() (bool, error)      { return !c.away, nil }
func (c *pretendConsole) switches() <-chan os.Signal { return c.signals }
func (c *pretendConsole) leave() error               { return c.count(&c.leaves) }
func (c *pretendConsole) enter() error               { return c.count(&c.enters) }
func (c *pretendConsole) endReading()                { close(c.end) }

func (c *pretendConsole) read(b []byte) (int, error) {
	select {
	case k, ok := <-c.keys:
		if !ok {
			return 0, io.ErrUnexpectedEOF
		}
		return copy(b, k), nil
	case <-c.end:
		return 0, os.ErrClosed
	}
}

func (c *pretendConsole) close() error {
	c.closed = true
	return nil
}

// What is no console is left alone.
func TestNoConsole(t *testing.T) {
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no terminals here:", err)
	}
	defer pty.Close()
	if Available(pty) {
		t.Error("a window's terminal is taken for a console")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/dev/ptmx", file, "/dev/null"} {
		if _, err := Open(Options{Console: path}); !errors.Is(err, ErrNoConsole) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
