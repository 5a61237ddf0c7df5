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

// A monitor controls the emulator (QMP): it takes screenshots of the displays
// and presses keys. It is safe for concurrent use.
type monitor struct {
	dir string // for screenshots

	mu     sync.Mutex
	stream *os.File
	lines  *bufio.Reader
	ready  bool   // QMP accepts commands
	shots  int    // number of screenshots
	last   string // file of the last screenshot; VCHAT_VM_KEEP keeps it
}

func newMonitor(stream *os.File, dir string) *monitor {
	return &monitor{dir: dir, stream: stream, lines: bufio.NewReader(stream)}
}

// QEMU IDs of the display adapters. Only TestScreen loads their drivers.
const (
	virtioDisplay = "virtiodisplay"
	bochsDisplay  = "bochsdisplay"
)

// screenshot returns the output of a display.
func (m *monitor) screenshot(display string) (image.Image, error) {
	m.mu.Lock()
	m.shots++
	file := filepath.Join(m.dir, fmt.Sprintf("screen-%03d-%s.png", m.shots, display))
	m.last = file
	m.mu.Unlock()
	err := m.run("screendump", map[string]any{"filename": file, "device": display, "format": "png"})
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

// press presses and releases keys together. Their names are QKeyCode of QMP.
func (m *monitor) press(keys ...string) error {
	var codes []any
	for _, k := range keys {
		codes = append(codes, map[string]string{"type": "qcode", "data": k})
	}
	return m.run("send-key", map[string]any{"keys": codes})
}

// run runs a QMP command.
func (m *monitor) run(command string, arguments any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.ready {
		if err := m.send(map[string]any{"execute": "qmp_capabilities"}); err != nil {
			return err
		}
		m.ready = true
	}
	return m.send(map[string]any{"execute": command, "arguments": arguments})
}

// send sends a command and waits for its answer. The caller holds m.mu.
func (m *monitor) send(command any) error {
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
			return fmt.Errorf("read from qemu's monitor: %w", err)
		}
		// Skip the greeting and events.
		var answer struct {
			Return json.RawMessage
			Error  *struct{ Desc string }
		}
		if err := json.Unmarshal(line, &answer); err != nil {
			return fmt.Errorf("decode %q from qemu's monitor: %w", line, err)
		}
		switch {
		case answer.Error != nil:
			return fmt.Errorf("qemu's monitor: command %s: %s", b, answer.Error.Desc)
		case answer.Return != nil:
			return nil
		}
	}
}
