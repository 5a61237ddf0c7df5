package demo_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"vchat/daemon/daemontest/leaktest"
	"vchat/daemon/demo"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestRun(t *testing.T) {
	var out bytes.Buffer
	o := demo.Options{For: 4 * time.Second, Out: &out, Log: slog.New(slog.DiscardHandler)}
	if err := demo.Run(context.Background(), o); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if !strings.Contains(out.String(), "alice saw bob at") {
		t.Errorf("got no summary in:\n%s", out.String())
	}
}
