package v4l2_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"vchat/v4l2"
	"vchat/v4l2/internal/uapi"
	"vchat/v4l2/v4l2test"
)

func TestSetControls(t *testing.T) {
	for _, tt := range []struct {
		name    string
		want    map[string]string
		made    string // name, value before, value after, in the order of setting
		err     error
		message string
	}{
		{"switch first",
			map[string]string{"Exposure Time, Absolute": "300", "auto_exposure": "manual mode", "brightness": "-5"},
			"auto_exposure 3 1, brightness 10 -5, exposure_time_absolute 156 300", nil, ""},
		{"unknown name sets nothing", map[string]string{"brightness": "1", "shine": "2"},
			"", v4l2.ErrNoControl, "brightness"},
		{"bad value sets nothing", map[string]string{"brightness": "1", "power_line_frequency": "70hz"},
			"", v4l2.ErrBadValue, "50 Hz"},
		{"read-only sets nothing", map[string]string{"brightness": "1", "pixel_rate": "2"},
			"", v4l2.ErrInactive, "read-only"},
		{"inactive stops", map[string]string{"brightness": "1", "exposure_time_absolute": "2"},
			"brightness 10 1", v4l2.ErrInactive, "auto_exposure"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := v4l2test.New()
			k.Plug(v4l2test.Device{Controls: allControls})
			changes, err := v4l2.SetControls(k, "auto", tt.want)
			if !errors.Is(err, tt.err) || err != nil && !strings.Contains(err.Error(), tt.message) {
				t.Errorf("got %v, want %v with %q", err, tt.err, tt.message)
			}
			var made []string
			for _, c := range changes {
				made = append(made, fmt.Sprintf("%s %d %d", c.After.Name, c.Before.Value, c.After.Value))
			}
			if got := strings.Join(made, ", "); got != tt.made {
				t.Errorf("got changes %q, want %q", got, tt.made)
			}
			if err := k.Leaks(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("no camera", func(t *testing.T) {
		_, err := v4l2.SetControls(v4l2test.New(), "auto", map[string]string{"gain": "1"})
		if !errors.Is(err, v4l2.ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
	})
}

// A button has no value before or after.
func TestSetControls_button(t *testing.T) {
	k := v4l2test.New()
	k.Plug(v4l2test.Device{Controls: []v4l2test.Control{
		{ID: 0x0098091f, Name: "Push", Type: uapi.CtrlTypeButton, Flags: uapi.CtrlFlagWriteOnly},
	}})
	changes, err := v4l2.SetControls(k, "auto", map[string]string{"push": "on"})
	if err != nil || len(changes) != 1 || !changes[0].Before.Unread || !changes[0].After.Unread {
		t.Errorf("got %+v, %v; want one change without values", changes, err)
	}
}
