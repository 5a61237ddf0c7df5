// Package logging provides the daemon's slog handlers.
//
// Guarantees:
//   - A record is one line, whatever its values contain.
//   - A peer cannot cause more lines than its quota (LimitPeers).
//
// Handlers are safe for concurrent use.
package logging

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// New returns a logger that writes one line per record: the message, then
// key=value pairs. If journal is true, each line starts with its sd-daemon(3)
// priority, because journald adds time and program. Otherwise a line starts
// with time and level.
func New(w io.Writer, level slog.Leveler, journal bool) *slog.Logger {
	return slog.New(&lineHandler{w: w, level: level, journal: journal, mu: new(sync.Mutex)})
}

type lineHandler struct {
	w       io.Writer
	level   slog.Leveler
	journal bool
	mu      *sync.Mutex // guards w; shared with derived handlers
	prefix  string      // of keys, from WithGroup
	attrs   string      // from WithAttrs, already formatted
}

// Enabled implements slog.Handler.
func (h *lineHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// Handle implements slog.Handler.
func (h *lineHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	if h.journal {
		b.WriteString(priority(r.Level))
	} else {
		b.WriteString(r.Time.Format("15:04:05.000 "))
		b.WriteString(r.Level.String())
		b.WriteByte(' ')
	}
	b.WriteString(Printable(r.Message))
	b.WriteString(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		appendAttr(&b, h.prefix, a)
		return true
	})
	b.WriteByte('\n')
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.w, b.String())
	return err
}

// WithAttrs implements slog.Handler.
func (h *lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	for _, a := range attrs {
		appendAttr(&b, h.prefix, a)
	}
	c := *h
	c.attrs += b.String()
	return &c
}

// WithGroup implements slog.Handler.
func (h *lineHandler) WithGroup(name string) slog.Handler {
	c := *h
	c.prefix += name + "."
	return &c
}

// priority returns the syslog priority prefix, which journalctl -p filters by.
func priority(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "<3>"
	case l >= slog.LevelWarn:
		return "<4>"
	case l >= slog.LevelInfo:
		return "<6>"
	}
	return "<7>"
}

func appendAttr(b *strings.Builder, prefix string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, g := range v.Group() {
			appendAttr(b, prefix, g)
		}
		return
	}
	if a.Equal(slog.Attr{}) {
		return
	}
	b.WriteByte(' ')
	b.WriteString(prefix + a.Key)
	b.WriteByte('=')
	var s string
	switch v.Kind() {
	case slog.KindDuration:
		s = v.Duration().Round(time.Microsecond).String()
	case slog.KindTime:
		s = v.Time().Format(time.RFC3339Nano)
	default:
		s = v.String()
	}
	if s == "" || strings.ContainsAny(s, " =\"") || s != Printable(s) {
		s = strconv.Quote(s)
	}
	b.WriteString(s)
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
