// Package agent runs commands in the guest of a test VM for its host, over one byte stream (a virtio serial port).
//
// It needs no network in the guest and no secret, starts a command in some milliseconds even in software emulation, runs
// many at once, and can end each of them: what ssh would do, less its cryptography.
//
// A message is a number of the command (4 bytes), a kind (1), a length (4), both big endian, and the data. Either side
// reads always, so that no command waits for another one.
//
//	host                          guest
//	     ◀──────── ready ────────       once, when the guest's side begins to read
//	     ───────── start ───────▶       JSON: Command
//	     ───────── kill ────────▶       SIGKILL to the command and to what it started
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

// ErrProtocol is returned when the stream carries something else than this protocol.
var ErrProtocol = errors.New("agent: protocol error")

// A Command is a program and its arguments, found in PATH, to be run as the agent's user (root).
type Command struct {
	Args  []string `json:"args"`
	Env   []string `json:"env,omitempty"`   // KEY=VALUE, added to the agent's own
	Stdin []byte   `json:"stdin,omitempty"` // 100 KB at most
}

type exit struct {
	Code  int    `json:"code"`            // the command's exit status; -1 if a signal ended it
	Error string `json:"error,omitempty"` // why it could not be run
}

type message struct {
	number uint32
	kind   kind
	data   []byte
}

// A sender writes whole messages from several goroutines.
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

// writer is an io.Writer whose bytes become messages of one kind.
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
