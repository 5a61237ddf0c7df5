package logging

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestLimitPeers(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(LimitPeers(slog.NewTextHandler(&out, nil)))
	now := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	emit := func(h slog.Handler, level slog.Level, msg string, attrs ...slog.Attr) {
		r := slog.NewRecord(now, level, msg, 0)
		r.AddAttrs(attrs...)
		if err := h.Handle(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
	line := func(level slog.Level, msg string, attrs ...slog.Attr) { emit(log.Handler(), level, msg, attrs...) }
	bob := slog.String("peer", "bob")
	count := func(msg string, want int) {
		t.Helper()
		if n := strings.Count(out.String(), "msg="+msg); n != want {
			t.Errorf("got %d lines %q, want %d", n, msg, want)
		}
	}
	for range 1000 {
		line(slog.LevelInfo, "flood", bob)
	}
	count("flood", peerLineBurst)
	emit(log.With("peer", "bob").Handler(), slog.LevelInfo, "flood-with")
	count("flood-with", 0)
	line(slog.LevelInfo, "other-peer", slog.String("peer", "carol"))
	count("other-peer", 1)
	line(slog.LevelInfo, "no-peer")
	count("no-peer", 1)
	line(slog.LevelError, "error", bob)
	count("error", 1)
	now = now.Add(peerLineEvery)
	line(slog.LevelInfo, "later", bob)
	line(slog.LevelInfo, "later", bob)
	count("later", 1)
	if want := "msg=later peer=bob lines_dropped=941"; !strings.Contains(out.String(), want) {
		t.Errorf("got\n%s\nwant %q in it", out.String(), want)
	}
	now = now.Add(time.Hour)
	for range 1000 {
		line(slog.LevelInfo, "again", bob)
	}
	count("again", peerLineBurst)
}
