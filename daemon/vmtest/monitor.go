//go:build vm

package vmtest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"sync"
)

// A monitor is the emulator's own view of the machine (QMP): what its displays show, whatever the guest believes, and its
// keyboard. Its methods may be called from several goroutines.
type monitor struct {
	dir string // for screenshots

	mu     sync.Mutex
	stream *os.File
	lines  *bufio.Reader
	ready  bool
	dumps  int
	last   string // file of the last screenshot, kept with VCHAT_VM_KEEP
}

func newMonitor(stream *os.File, dir string) *monitor {
	return &monitor{dir: dir, stream: stream, lines: bufio.NewReader(stream)}
}

// The display adapters of the machine. Their drivers are loaded by the tests of the screen alone.
const (
	virtioDisplay = "virtiodisplay"
	bochsDisplay  = "bochsdisplay"
)

// screenshot is what a display shows.
func (m *monitor) screenshot(display string) (image.Image, error) {
	m.mu.Lock()
	m.dumps++
	file := filepath.Join(m.dir, fmt.Sprintf("screen-%03d-%s.png", m.dumps, display))
	m.last = file
	m.mu.Unlock()
	err := m.do("screendump", map[string]any{"filename": file, "device": display, "format": "png"})
	if err != nil {
		return nil, err
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if os.Getenv("VCHAT_VM_KEEP") == "" {
		defer os.Remove(file)
	}
	return png.Decode(f)
}

// press presses keys at once and lets go of them: names of qapi's QKeyCode.
func (m *monitor) press(keys ...string) error {
	var all []any
	for _, k := range keys {
		all = append(all, map[string]string{"type": "qcode", "data": k})
	}
	return m.do("send-key", map[string]any{"keys": all})
}

// do has a command done.
func (m *monitor) do(command string, arguments any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.ready {
		if err := m.ask(map[string]any{"execute": "qmp_capabilities"}); err != nil {
			return err
		}
		m.ready = true
	}
	return m.ask(map[string]any{"execute": command, "arguments": arguments})
}

func (m *monitor) ask(command any) error {
	b, err := json.Marshal(command)
	if err != nil {
		return err
	}
	if _, err := m.stream.Write(append(b, '\n')); err != nil {
		return err
	}
	for {
		line, err := m.lines.ReadBytes('\n')
		if err != nil {
			return fmt.Errorf("qemu's monitor: %w", err)
		}
		// Greeting and events come in between.
		var answer struct {
			Return json.RawMessage
			Error  *struct{ Desc string }
		}
		if err := json.Unmarshal(line, &answer); err != nil {
			return fmt.Errorf("qemu's monitor: %w: %q", err, line)
		}
		switch {
		case answer.Error != nil:
			return fmt.Errorf("qemu's monitor: %s: %s", b, answer.Error.Desc)
		case answer.Return != nil:
			return nil
		}
	}
}
