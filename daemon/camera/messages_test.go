package camera

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"vchat/daemon/daemontest/syncbuffer"
)

// A command that fails at once and prints is restarted all the time. Its log
// lines are bounded.
func TestMessageLog(t *testing.T) {
	for _, c := range []struct {
		name    string
		lines   int // of each run
		runs    int
		every   time.Duration
		atMost  int
		omitted int // as reported, at least
	}{
		{"few lines", 3, 1, time.Second, 3, 0},
		{"many lines at once", 500, 1, time.Second, maxLogLines + 1, 0},
		{"fails at once, for ten minutes", 15, 300, 2 * time.Second, maxLogLines + 2, 0},
		{"fails at once, for a day", 15, 43200, 2 * time.Second, 24*(maxLogLines+1) + 6*24,
			15*43200 - 24*maxLogLines - 2*300*15},
		{"ends once a day", 3, 10, 24 * time.Hour, 30, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			buf := &syncbuffer.Buffer{}
			log := slog.New(slog.NewTextHandler(buf, nil))
			var m messageLog
			now := time.Now()
			for run := range c.runs {
				m.restarted(now)
				for i := range c.lines {
					m.add(log, now, fmt.Sprintf("run %d line %d", run, i))
				}
				now = now.Add(c.every)
			}
			lines := strings.Split(strings.TrimSpace(buf.String()), "\n")
			if len(lines) > c.atMost {
				t.Errorf("got %d lines, want at most %d", len(lines), c.atMost)
			}
			omitted := 0
			for _, l := range lines {
				var n int
				if _, after, ok := strings.Cut(l, "omitted\" device=exec lines="); ok {
					_, _ = fmt.Sscan(after, &n)
					omitted += n
				}
			}
			if omitted < c.omitted {
				t.Errorf("got %d omitted lines reported, want at least %d", omitted, c.omitted)
			}
		})
	}
}

func TestMessageLog_otherCommand(t *testing.T) {
	buf := &syncbuffer.Buffer{}
	r := New(Config{Device: "exec:one"}, slog.New(slog.NewTextHandler(buf, nil)))
	for range 100 {
		r.messages.add(r.log, time.Now(), "one")
	}
	r.Reconfigure(Config{Device: "exec:two"})
	r.messages.add(r.log, time.Now(), "two")
	if !strings.Contains(buf.String(), "text=two") {
		t.Errorf("got no line of the other command:\n%s", buf)
	}
}
