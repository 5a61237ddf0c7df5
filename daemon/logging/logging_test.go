package logging

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestNew(t *testing.T) {
	for _, tt := range []struct {
		name string
		log  func(*slog.Logger)
		want string
	}{
		{"warning",
			func(l *slog.Logger) { l.Warn("no link", "peer", "bob", "err", errors.New("connection refused")) },
			"WARN no link peer=bob err=\"connection refused\"\n"},
		{"info",
			func(l *slog.Logger) { l.Info("link up", "rtt", 1500*time.Nanosecond, "n", 3) },
			"INFO link up rtt=2µs n=3\n"},
		{"error", func(l *slog.Logger) { l.Error("gone") }, "ERROR gone\n"},
		{"below the level", func(l *slog.Logger) { l.Debug("no") }, ""},
		{"empty value", func(l *slog.Logger) { l.Info("x", "k", "") }, "INFO x k=\"\"\n"},
		{"line break in a value",
			func(l *slog.Logger) { l.Info("a\nb", "name", "x\n<3>fake") },
			"INFO a\\nb name=\"x\\n<3>fake\"\n"},
		{"attributes and groups",
			func(l *slog.Logger) {
				l.With("part", "link").WithGroup("g").Info("m", slog.Group("h", "k", "v"), slog.Attr{})
			},
			"INFO m part=link g.h.k=v\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			tt.log(New(&b, slog.LevelInfo))
			if _, got, _ := strings.Cut(b.String(), " "); got != tt.want { // without the time
				t.Errorf("\n got %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestNew_time(t *testing.T) {
	var b bytes.Buffer
	New(&b, slog.LevelInfo).Info("hello")
	if got := b.String(); len(got) != len("15:04:05.000 INFO hello\n") || got[13:] != "INFO hello\n" {
		t.Errorf("got %q, want time, level and message", got)
	}
}
