package main

import (
	"io"
	"slices"
	"testing"

	"vchat/daemon/daemontest/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestParse(t *testing.T) {
	args := []string{"-camera", "/dev/video2", "-wrap", "nice -n 5 --", "-short",
		"-only", "cuts,cost", "-programs", "ffmpeg"}
	o, err := parse(args, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if o.camera != "/dev/video2" || o.runs != 1 || !slices.Equal(o.wrap, []string{"nice", "-n", "5", "--"}) ||
		!slices.Equal(o.only, []string{"cuts", "cost"}) || !slices.Equal(o.programs, []string{"ffmpeg"}) {
		t.Errorf("got %+v from %q", o, args)
	}
	for _, bad := range [][]string{{"-only", "costs"}, {"-runs", "-1"}, {"-fps", "0"}, {"/dev/video0"}, {"-none"}} {
		if _, err := parse(bad, io.Discard); err == nil {
			t.Errorf("%q: got no error, want one", bad)
		}
	}
}
