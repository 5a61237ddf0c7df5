package v4l2_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"vchat/v4l2"
	"vchat/v4l2/v4l2test"
)

func TestSurvey(t *testing.T) {
	k := v4l2test.New()
	k.Plug(v4l2test.Device{Card: "Fake", Kind: v4l2test.Metadata})
	locked := k.Plug(v4l2test.Device{Card: "Locked"})
	locked.Script(func(f *v4l2test.Faults) { f.Open = unix.EACCES })
	k.Plug(v4l2test.Device{Card: "Stage", Driver: "unicam"})
	good := k.Plug(v4l2test.Device{Card: "Good", ID: "usb-Good-video-index0"})
	good.Script(func(f *v4l2test.Faults) { f.Busy = "cheese (pid 812)" })

	all, err := v4l2.Survey(k)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range all {
		line := f.Path + " " + f.Node + " " + f.Card + " " + strings.Join(f.Holders, ",")
		if f.Usable {
			line += " usable"
		}
		if errors.Is(f.Err, v4l2.ErrPermission) {
			line += " permission"
		}
		got = append(got, line)
	}
	want := []string{
		"/dev/v4l/by-id/usb-Good-video-index0 /dev/video3 Good cheese (pid 812) usable",
		"/dev/video2 /dev/video2 Stage ",
		"/dev/video1 /dev/video1   permission",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Survey (-want +got):\n%s", d)
	}
	if err := k.Leaks(); err != nil {
		t.Error(err)
	}
}

func TestLabels(t *testing.T) {
	k := v4l2test.New()
	k.Plug(v4l2test.Device{Card: "Good", ID: "usb-Good-video-index0"})
	k.Plug(v4l2test.Device{Card: "Good", Kind: v4l2test.Metadata})
	k.Plug(v4l2test.Device{Card: "bcm2835-codec-decode", Kind: v4l2test.Converter})
	got, err := v4l2.Labels(k)
	want := []v4l2.Device{{Path: "/dev/v4l/by-id/usb-Good-video-index0", Node: "/dev/video0", Card: "Good"}}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("Labels: %v (-want +got):\n%s", err, d)
	}
	if a, b := v4l2.NodeOf(k, want[0].Path), v4l2.NodeOf(k, "/dev/video9"); a != "/dev/video0" || b != "" {
		t.Errorf("NodeOf: got %q and %q, want /dev/video0 and none", a, b)
	}
	if n := k.Counts().Opens; n != 0 {
		t.Errorf("got %d opens, want 0", n)
	}
}
