package screen

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// fakeConsole implements console. Tests switch it with signals.
type fakeConsole struct {
	mu      sync.Mutex
	away    bool
	signals chan os.Signal
	keys    chan []byte
	end     chan struct{}
	leaves  int
	enters  int
	closed  bool
}

func newFakeConsole() *fakeConsole {
	return &fakeConsole{signals: make(chan os.Signal, 4), keys: make(chan []byte), end: make(chan struct{})}
}

func (c *fakeConsole) count(calls *int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	*calls++
	return nil
}

func (c *fakeConsole) active() (bool, error)      { return !c.away, nil }
func (c *fakeConsole) switches() <-chan os.Signal { return c.signals }
func (c *fakeConsole) leave() error               { return c.count(&c.leaves) }
func (c *fakeConsole) enter() error               { return c.count(&c.enters) }
func (c *fakeConsole) endReading()                { close(c.end) }

func (c *fakeConsole) read(b []byte) (int, error) {
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

func (c *fakeConsole) close() error {
	c.closed = true
	return nil
}

func TestOpen_notAConsole(t *testing.T) {
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no pseudo-terminals:", err)
	}
	defer pty.Close()
	if Available(pty) {
		t.Error("Available: got true for a pseudo-terminal")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"pseudo-terminal": "/dev/ptmx", "file": file, "device": "/dev/null"} {
		t.Run(name, func(t *testing.T) {
			if _, err := Open(Options{Console: path}); !errors.Is(err, ErrNoConsole) {
				t.Errorf("got %v, want ErrNoConsole", err)
			}
		})
	}
}
