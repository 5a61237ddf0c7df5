// Package logging provides the daemon's slog handlers.
//
// Guarantees:
//   - A record is one line, whatever its values contain. In the journal, a
//     value stays in its field.
//   - A journald that hangs or is missing does not delay the daemon.
//   - A peer cannot cause more lines than its quota (LimitPeers).
//
// Handlers are safe for concurrent use.
package logging

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// New returns a logger that writes one line per record: time, level, message
// and key=value pairs.
func New(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(&lineHandler{sink: &textSink{w: w}, level: level})
}

// lineHandler formats a record and gives it to a sink.
type lineHandler struct {
	sink   sink
	level  slog.Leveler
	prefix string // of keys, from WithGroup
	attrs  string // from WithAttrs, already formatted
	fields []field
}

// field is an attribute: its whole key, and its value as text.
type field struct{ key, value string }

// sink writes records. It is safe for concurrent use.
type sink interface {
	// write writes the line of a record: its message and its attributes, which
	// are also in fields.
	write(r slog.Record, line string, fields []field) error
}

// Enabled implements slog.Handler.
func (h *lineHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// Handle implements slog.Handler.
func (h *lineHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(Printable(r.Message))
	b.WriteString(h.attrs)
	fields := slices.Clip(h.fields)
	r.Attrs(func(a slog.Attr) bool {
		fields = appendAttr(&b, fields, h.prefix, a)
		return true
	})
	return h.sink.write(r, b.String(), fields)
}

// textSink writes lines of text.
type textSink struct {
	mu sync.Mutex
	w  io.Writer
}

func (t *textSink) write(r slog.Record, line string, _ []field) error {
	text := r.Time.Format("15:04:05.000 ") + r.Level.String() + " " + line + "\n"
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err := io.WriteString(t.w, text)
	return err
}

// WithAttrs implements slog.Handler.
func (h *lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	c := *h
	c.fields = slices.Clip(h.fields)
	for _, a := range attrs {
		c.fields = appendAttr(&b, c.fields, h.prefix, a)
	}
	c.attrs += b.String()
	return &c
}

// WithGroup implements slog.Handler.
func (h *lineHandler) WithGroup(name string) slog.Handler {
	c := *h
	c.prefix += name + "."
	return &c
}

// priority returns the priority of syslog(3), which journalctl -p filters by.
func priority(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return 3
	case l >= slog.LevelWarn:
		return 4
	case l >= slog.LevelInfo:
		return 6
	}
	return 7
}

// appendAttr appends an attribute to a line and to fields.
func appendAttr(b *strings.Builder, fields []field, prefix string, a slog.Attr) []field {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, g := range v.Group() {
			fields = appendAttr(b, fields, prefix, g)
		}
		return fields
	}
	if a.Equal(slog.Attr{}) {
		return fields
	}
	var s string
	switch v.Kind() {
	case slog.KindDuration:
		s = v.Duration().Round(time.Microsecond).String()
	case slog.KindTime:
		s = v.Time().Format(time.RFC3339Nano)
	default:
		s = v.String()
	}
	key := prefix + a.Key
	fields = append(fields, field{key, s})
	if s == "" || strings.ContainsAny(s, " =\"") || s != Printable(s) {
		s = strconv.Quote(s)
	}
	b.WriteString(" " + key + "=" + s)
	return fields
}

// Printable returns s with unprintable characters and bytes that are not UTF-8
// escaped as in a Go string. Text from a peer or a camera command then cannot
// forge a log line or control a terminal.
func Printable(s string) string {
	unprintable := func(r rune) bool { return !strconv.IsPrint(r) }
	// A lone byte such as 0x9b decodes to the printable U+FFFD, but begins a
	// control sequence in a terminal with 8-bit controls.
	if utf8.ValidString(s) && !strings.ContainsFunc(s, unprintable) {
		return s
	}
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}
