package v4l2_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"vchat/v4l2"
	"vchat/v4l2/internal/uapi"
	"vchat/v4l2/v4l2test"
)

func TestSurvey(t *testing.T) {
	k := v4l2test.New()
	k.Plug(v4l2test.Device{Card: "Pretend", Kind: v4l2test.Metadata})
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
			line += " fit"
		}
		if errors.Is(f.Err, v4l2.ErrPermission) {
			line += " permission"
		}
		got = append(got, line)
	}
	want := []string{
		"/dev/v4l/by-id/usb-Good-video-index0 /dev/video3 Good cheese (pid 812) fit",
		"/dev/video2 /dev/video2 Stage ",
		"/dev/video1 /dev/video1   permission",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if err := k.Leaks(); err != nil {
		t.Error(err)
	}
}

func TestLabelsOpenNothing(t *testing.T) {
	k := v4l2test.New()
	k.Plug(v4l2test.Device{Card: "Good", ID: "usb-Good-video-index0"})
	k.Plug(v4l2test.Device{Card: "Good", Kind: v4l2test.Metadata})
	k.Plug(v4l2test.Device{Card: "bcm2835-codec-decode", Kind: v4l2test.Converter})
	got, err := v4l2.Labels(k)
	want := []v4l2.Device{{Path: "/dev/v4l/by-id/usb-Good-video-index0", Node: "/dev/video0", Card: "Good"}}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	if a, b := v4l2.NodeOf(k, want[0].Path), v4l2.NodeOf(k, "/dev/video9"); a != "/dev/video0" || b != "" {
		t.Errorf("nodes %q and %q", a, b)
	}
	if n := k.Counts().Opens; n != 0 {
		t.Errorf("%d opens", n)
	}
}

func TestSetControls(t *testing.T) {
	for _, tt := range []struct {
		name string
		want map[string]string
		made string // name before after, in the order in which they were set
		err  error
		says string
	}{
		{"a switch before what it switches", map[string]string{"Exposure Time, Absolute": "300", "auto_exposure": "manual mode", "brightness": "-5"},
			"auto_exposure 3 1, brightness 10 -5, exposure_time_absolute 156 300", nil, ""},
		{"an unknown name, and nothing is set", map[string]string{"brightness": "1", "shine": "2"}, "", v4l2.ErrNoControl, "brightness"},
		{"a bad value, and nothing is set", map[string]string{"brightness": "1", "power_line_frequency": "70hz"}, "", v4l2.ErrBadValue, "50 Hz"},
		{"read-only, and nothing is set", map[string]string{"brightness": "1", "pixel_rate": "2"}, "", v4l2.ErrInactive, "only be read"},
		{"what shows only when it is tried", map[string]string{"brightness": "1", "exposure_time_absolute": "2"}, "brightness 10 1", v4l2.ErrInactive, "auto_exposure"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := v4l2test.New()
			k.Plug(v4l2test.Device{Controls: many})
			changes, err := v4l2.SetControls(k, "auto", tt.want)
			if !errors.Is(err, tt.err) || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %v with %q", err, tt.err, tt.says)
			}
			var made []string
			for _, c := range changes {
				made = append(made, strings.Join([]string{c.After.Name, fmt.Sprint(c.Before.Value), fmt.Sprint(c.After.Value)}, " "))
			}
			if got := strings.Join(made, ", "); got != tt.made {
				t.Errorf("made %q, want %q", got, tt.made)
			}
			if err := k.Leaks(); err != nil {
				t.Error(err)
			}
		})
	}
	if _, err := v4l2.SetControls(v4l2test.New(), "auto", map[string]string{"gain": "1"}); !errors.Is(err, v4l2.ErrNotFound) {
		t.Errorf("without a camera: %v", err)
	}
}

// A button has no value before or after.
func TestSetControlsPressesAButton(t *testing.T) {
	k := v4l2test.New()
	k.Plug(v4l2test.Device{Controls: []v4l2test.Control{{ID: 0x0098091f, Name: "Push", Type: uapi.CtrlTypeButton, Flags: uapi.CtrlFlagWriteOnly}}})
	changes, err := v4l2.SetControls(k, "auto", map[string]string{"push": "on"})
	if err != nil || len(changes) != 1 || !changes[0].Before.Unread || !changes[0].After.Unread {
		t.Errorf("%+v, %v", changes, err)
	}
}
