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

func TestDemo(t *testing.T) {
	var out bytes.Buffer
	err := demo.Run(context.Background(), demo.Options{For: 4 * time.Second, Out: &out, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if !strings.Contains(out.String(), "alice saw bob at") {
		t.Errorf("no summary:\n%s", out.String())
	}
}
