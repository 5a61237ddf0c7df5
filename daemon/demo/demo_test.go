package demo_test

import (
	"bytes"
	"context"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"vchat/daemon/daemontest/leaktest"
	"vchat/daemon/demo"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// untilFrames ends the demo when both devices get frames.
type untilFrames struct {
	bytes.Buffer
	end func()
}

var bothSee = regexp.MustCompile(`alice sees [0-9.]*[1-9][0-9.]* fps.* bob sees [0-9.]*[1-9][0-9.]* fps`)

func (u *untilFrames) Write(b []byte) (int, error) {
	if bothSee.Match(b) {
		u.end()
	}
	return u.Buffer.Write(b)
}

func TestRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := untilFrames{end: cancel}
	o := demo.Options{For: time.Minute, Out: &out, Log: slog.New(slog.DiscardHandler)}
	if err := demo.Run(ctx, o); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if !strings.Contains(out.String(), "alice saw bob at") {
		t.Errorf("got no summary in:\n%s", out.String())
	}
}
