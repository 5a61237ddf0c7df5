package logging

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzLine logs any texts of a peer. The record is one line of printable
// characters, and no text looks like another attribute.
func FuzzLine(f *testing.F) {
	f.Add("link down", "kitchen", "EOF")
	f.Add("a\nb", "x\" err=none y=\"", "\x1b[2J\u202e\x00\xff")
	f.Add("", " ", "=")
	f.Fuzz(func(t *testing.T, message, name, cause string) {
		var out bytes.Buffer
		var sent recordSink
		for _, s := range []sink{&textSink{w: &out}, &sent} {
			log := slog.New(&lineHandler{sink: s, level: slog.LevelInfo})
			log.With("peer", name).WithGroup("g").Warn(message, "err", errors.New(cause), "for", time.Second)
		}
		line := out.String()
		text, ended := strings.CutSuffix(line, "\n")
		if !ended || !utf8.ValidString(text) || strings.ContainsFunc(text, isUnprintable) {
			t.Fatalf("got %q", line)
		}
		// Read the attributes back from the end.
		rest, ok := strings.CutSuffix(text, " g.for=1s")
		if !ok {
			t.Fatalf("got %q, want for=1s at the end", line)
		}
		for _, want := range []string{" g.err=" + formatted(cause), " peer=" + formatted(name)} {
			if rest, ok = strings.CutSuffix(rest, want); !ok {
				t.Fatalf("got %q, want %q in it", line, want)
			}
		}
		if !strings.HasSuffix(rest, Printable(message)) {
			t.Fatalf("got %q, want the message %q", line, message)
		}
		// Each value is one printable line in its field.
		fields := strings.Split(string(sent), "\n")
		want := []string{"PRIORITY=4", "SYSLOG_IDENTIFIER=vchatd", "PEER=" + Printable(name),
			"VCHAT_G_ERR=" + Printable(cause), "VCHAT_G_FOR=1s", ""}
		if len(name) <= maxValue && len(cause) <= maxValue &&
			(len(fields) != 1+len(want) || !slices.Equal(fields[1:], want)) {
			t.Fatalf("got fields %q, want MESSAGE and %q", fields, want)
		}
	})
}

// recordSink keeps the datagram of the last record.
type recordSink []byte

func (s *recordSink) write(r slog.Record, line string, fields []field) error {
	*s = (&journalSink{identifier: "vchatd"}).datagram(r, line, fields)
	return nil
}

// formatted returns a value as it stands in a line: quoted unless it is a plain
// word.
func formatted(s string) string {
	if s == "" || strings.ContainsAny(s, " =\"") || strings.ContainsFunc(s, isUnprintable) || !utf8.ValidString(s) {
		return strconv.Quote(s)
	}
	return s
}

func isUnprintable(r rune) bool { return !strconv.IsPrint(r) }
