// Package agent runs commands in the guest of a test VM for its host, over one
// byte stream (a virtio serial port).
//
// Guarantees:
//   - The guest needs no network and no secret.
//   - A command starts within milliseconds, even in software emulation.
//   - Many commands run at once, and the host can kill each of them.
//
// A message is the number of its command (4 bytes), a kind (1 byte), the length
// of the data (4 bytes) and the data. Numbers are big-endian. Both sides always
// read, so no command waits for another.
//
//	host                          guest
//	     ◀──────── ready ────────       once, before the guest reads
//	     ───────── start ───────▶       JSON: Command
//	     ───────── kill ────────▶       SIGKILL to the command, its children
//	     ◀──── output, errors … ─
//	     ◀──────── exit ─────────       JSON: exit; the command's last message
package agent

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

type kind byte

const (
	kindReady kind = iota + 1
	kindStart
	kindKill
	kindOutput
	kindErrors
	kindExit
)

const (
	headSize = 9
	maxData  = 256 << 10 // bytes in one message
)

// ErrProtocol is the error for a stream that breaks this protocol.
var ErrProtocol = errors.New("agent: protocol error")

// A Command is a program, found in PATH, and its arguments. It runs as the
// agent's user (root).
type Command struct {
	Args  []string `json:"args"`
	Env   []string `json:"env,omitempty"`   // KEY=VALUE, added to the agent's own
	Stdin []byte   `json:"stdin,omitempty"` // at most 100 KB
}

type exit struct {
	Code  int    `json:"code"`            // the command's exit status; -1 if a signal ended it
	Error string `json:"error,omitempty"` // why it did not run
}

type message struct {
	number uint32
	kind   kind
	data   []byte
}

// A sender writes whole messages. It is safe for concurrent use.
type sender struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *sender) send(number uint32, k kind, data []byte) error {
	if len(data) > maxData {
		return fmt.Errorf("%w: message of %d bytes", ErrProtocol, len(data))
	}
	b := binary.BigEndian.AppendUint32(make([]byte, 0, headSize+len(data)), number)
	b = append(b, byte(k))
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	b = append(b, data...)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.w.Write(b)
	return err
}

func (s *sender) sendJSON(number uint32, k kind, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.send(number, k, data)
}

// A writer sends what is written to it as messages of one kind.
type writer struct {
	s      *sender
	number uint32
	kind   kind
}

func (w writer) Write(p []byte) (int, error) {
	for n := 0; n < len(p); n += maxData {
		if err := w.s.send(w.number, w.kind, p[n:min(n+maxData, len(p))]); err != nil {
			return n, err
		}
	}
	return len(p), nil
}

func receive(r io.Reader) (message, error) {
	var head [headSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return message{}, err
	}
	m := message{number: binary.BigEndian.Uint32(head[:]), kind: kind(head[4])}
	n := binary.BigEndian.Uint32(head[5:])
	if m.kind < kindReady || m.kind > kindExit || n > maxData {
		return message{}, fmt.Errorf("%w: kind %d of %d bytes", ErrProtocol, m.kind, n)
	}
	m.data = make([]byte, n)
	_, err := io.ReadFull(r, m.data)
	return m, err
}
