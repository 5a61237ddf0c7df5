package logging

import (
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	journalSocket = "/run/systemd/journal/socket"
	maxValue      = 8 << 10 // bytes of a field; a datagram can have 200 KiB
)

// journalFields names the fields of attributes. The others are VCHAT_ and the
// key in capital letters.
var journalFields = map[string]string{"peer": "PEER", "call_id": "CALL_ID", "device": "CAMERA"}

// NewJournal returns a logger for a program whose standard error, stderr, is a
// stream of journald. It sends each record with its attributes as fields, by
// journald's native protocol. Without its socket, it writes lines to stderr.
//
// It never waits: records that journald does not take in time are dropped. The
// next one has their number, as lines_dropped.
func NewJournal(level slog.Leveler, identifier string, stderr int) *slog.Logger {
	return slog.New(&lineHandler{level: level, sink: newJournalSink(journalSocket, identifier, stderr)})
}

// journalSink sends records to journald.
type journalSink struct {
	address    *unix.SockaddrUnix
	identifier string
	stderr     int // a stream socket

	mu      sync.Mutex
	socket  int // -1: none
	dropped int // records since the last one that was written
	partial bool
}

func newJournalSink(path, identifier string, stderr int) *journalSink {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		fd = -1
	}
	return &journalSink{address: &unix.SockaddrUnix{Name: path}, identifier: identifier, stderr: stderr, socket: fd}
}

func (j *journalSink) write(r slog.Record, line string, fields []field) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.dropped > 0 {
		n := strconv.Itoa(j.dropped)
		line += " lines_dropped=" + n
		fields = append(fields[:len(fields):len(fields)], field{"lines_dropped", n})
	}
	// A negative socket is EBADF.
	err := unix.Sendto(j.socket, j.datagram(r, line, fields), unix.MSG_NOSIGNAL, j.address)
	if err != nil && !errors.Is(err, unix.EAGAIN) { // no journald there, or too long for it
		err = j.writeLine(r, line)
	}
	if err != nil {
		j.dropped++
		return err
	}
	j.dropped = 0
	return nil
}

// datagram returns a record in the format of journald's native protocol.
func (j *journalSink) datagram(r slog.Record, line string, fields []field) []byte {
	b := appendField(nil, "MESSAGE", line)
	b = appendField(b, "PRIORITY", strconv.Itoa(priority(r.Level)))
	b = appendField(b, "SYSLOG_IDENTIFIER", j.identifier)
	for _, f := range fields {
		b = appendField(b, fieldName(f.key), f.value)
	}
	return b
}

// fieldName returns the name of the field for an attribute: A to Z, 0 to 9 and
// underscores.
func fieldName(key string) string {
	if name, ok := journalFields[key]; ok {
		return name
	}
	return "VCHAT_" + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, key)
}

// appendField appends a field. Its value becomes printable: a line break would
// end the field, and journalctl -o verbose shows it on a terminal.
func appendField(b []byte, name, value string) []byte {
	value = Printable(value[:min(len(value), maxValue)])
	return append(append(append(append(b, name...), '='), value...), '\n')
}

// writeLine writes a line to standard error, as a text sink does, but does not
// wait. After a part of a line, the next one ends it.
func (j *journalSink) writeLine(r slog.Record, line string) error {
	text := "<" + strconv.Itoa(priority(r.Level)) + ">" + line + "\n"
	if j.partial {
		text = "\n" + text
	}
	n, err := unix.SendmsgN(j.stderr, []byte(text), nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	if err == nil {
		j.partial = n < len(text)
	}
	return err
}
