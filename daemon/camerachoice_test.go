package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/camerastore"
	"vchat/v4l2/v4l2test"
)

// A camera that a user chooses is opened at once, in its mode, with the
// controls that were set on it, and so again after a restart.
func TestUseCamera(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	inState := func(c *config.Config) { c.StateDir = state }
	const secondPath = "/dev/v4l/by-id/second"
	plug := func() (k *v4l2test.Kernel, second *v4l2test.Camera) {
		k = v4l2test.New()
		plugGood(k)
		return k, k.Plug(v4l2test.Device{Card: "Second", ID: filepath.Base(secondPath)})
	}
	using := func(device string) func(api.Status) bool {
		return func(s api.Status) bool { return s.Camera.State == api.CameraStreaming && s.Camera.Device == device }
	}
	t.Run("first", func(t *testing.T) {
		k, second := plug()
		c := startWithKernel(t, k, inState)
		feed, err := c.Feed(t.Context(), api.Self)
		if err != nil {
			t.Fatal(err)
		}
		defer feed.Close()
		s := wait(t, c, "the first camera", using(goodPath))
		if s.Camera.Choice.By != api.ChosenByNobody || s.Camera.Choice.Device != "auto" {
			t.Errorf("got %+v, want auto by default", s.Camera.Choice)
		}
		v, err := c.UseCamera(t.Context(), api.CameraRequest{Device: second.Node(), Size: "640x480", FPS: 15})
		want := api.CameraChoice{By: api.ChosenByUser, Device: secondPath, Name: "Second", Size: "640x480", FPS: 15}
		if err != nil || v != want {
			t.Errorf("got %+v, %v; want %+v", v, err, want)
		}
		s = wait(t, c, "the second camera", using(secondPath))
		if s.Camera.Size != "640x480" || s.Camera.Choice.By != api.ChosenByUser {
			t.Errorf("got %+v, want 640x480, chosen by a user", s.Camera)
		}
		set, err := c.SetControls(t.Context(), api.ControlsRequest{Controls: map[string]string{"brightness": "7"}})
		if err != nil || !set.Kept || set.NotSaved != "" {
			t.Errorf("got %+v, %v; want the control kept", set, err)
		}
	})
	t.Run("restart", func(t *testing.T) {
		k, second := plug()
		c := startWithKernel(t, k, inState)
		s, err := c.Status(t.Context())
		if err != nil || s.Camera.Device != secondPath || s.Camera.Choice.By != api.ChosenByUser {
			t.Errorf("got %+v, %v; want the second camera, not opened", s.Camera, err)
		}
		feed, err := c.Feed(t.Context(), api.Self)
		if err != nil {
			t.Fatal(err)
		}
		defer feed.Close()
		wait(t, c, "the second camera", using(secondPath))
		if got := second.Control("brightness"); got != 7 {
			t.Errorf("got brightness %d, want 7 as set before", got)
		}
		if _, err := c.UseCamera(t.Context(), api.CameraRequest{Device: "auto"}); err != nil {
			t.Fatal(err)
		}
		s = wait(t, c, "the first camera", using(goodPath))
		if s.Camera.Choice.By != api.ChosenByNobody || s.Camera.Size != "1280x720" || len(s.Camera.Warnings) > 0 {
			t.Errorf("got %+v, want the defaults", s.Camera)
		}
	})
	t.Run("not open", func(t *testing.T) {
		k, _ := plug()
		c := startWithKernel(t, k, inState)
		if _, err := c.UseCamera(t.Context(), api.CameraRequest{Device: "test"}); err != nil {
			t.Fatal(err)
		}
		if s, err := c.Status(t.Context()); err != nil || s.Camera.Device != "test" ||
			s.Camera.State != api.CameraIdle {
			t.Errorf("got %+v, %v; want test, idle", s.Camera, err)
		}
	})
}

func TestUseCamera_refused(t *testing.T) {
	k := v4l2test.New()
	plugGood(k)
	c := startWithKernel(t, k, nil)
	for _, tt := range []struct {
		r    api.CameraRequest
		kind api.Kind
		part string
	}{
		{api.CameraRequest{}, api.BadValue, "the device is missing"},
		{api.CameraRequest{Device: "exec:id"}, api.BadValue, "auto, test or a path under /dev"},
		{api.CameraRequest{Device: "file:/etc/passwd"}, api.BadValue, "auto, test or a path under /dev"},
		{api.CameraRequest{Device: "/dev/../etc/passwd"}, api.BadValue, "auto, test or a path under /dev"},
		{api.CameraRequest{Device: "/dev/a\x1b[2J"}, api.BadValue, "auto, test or a path under /dev"},
		{api.CameraRequest{Device: "/dev/video9"}, api.CameraUnavailable, "/dev/video9: no such camera"},
		{api.CameraRequest{Device: goodPath, Size: "1x1"}, api.BadValue, "the size must be"},
		{api.CameraRequest{Device: goodPath, FPS: 300}, api.BadValue, "from 1 to 240"},
		{api.CameraRequest{Device: "auto", FPS: -1}, api.BadValue, "from 1 to 240"},
	} {
		_, err := c.UseCamera(t.Context(), tt.r)
		if kind, message := refusal(err); kind != tt.kind || !strings.Contains(message, tt.part) ||
			strings.Contains(message, "stat /dev") {
			t.Errorf("%+v: got %v, want %s with %q, and no system call", tt.r, err, tt.kind, tt.part)
		}
	}
	if s, err := c.Status(t.Context()); err != nil || s.Camera.Choice.Device != "auto" {
		t.Errorf("got %+v, %v; want auto as before", s.Camera.Choice, err)
	}
	if err := c.SetPrivacy(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UseCamera(t.Context(), api.CameraRequest{Device: goodPath}); !isRefusal(err, api.PrivacyOn) {
		t.Errorf("with privacy: got %v, want %s", err, api.PrivacyOn)
	}
}

func isRefusal(err error, want api.Kind) bool {
	kind, _ := refusal(err)
	return kind == want
}

// What the configuration file sets wins, and the refusal says where it is.
func TestUseCamera_file(t *testing.T) {
	state, path := filepath.Join(t.TempDir(), "state"), filepath.Join(t.TempDir(), "vchat.yaml")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	store := camerastore.Open(state) // from before the file got its lines
	if err := store.Choose(camerastore.Choice{Device: "test", FPS: 15}); err != nil {
		t.Fatal(err)
	}
	text := "camera:\n  size: 640x480\n  device: " + goodPath + "\n  controls: {brightness: 5}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	k := v4l2test.New()
	cam := plugGood(k)
	c := startWithKernel(t, k, func(c *config.Config) {
		listen, control := c.Listen, c.Control
		*c = *file
		c.Listen, c.Control, c.StateDir = listen, control, state
	})
	s, err := c.Status(t.Context())
	want := api.CameraChoice{By: api.ChosenByConfig, Device: goodPath, Size: "640x480", FPS: 15, File: path, Line: 3}
	if err != nil || s.Camera.Choice != want {
		t.Errorf("got %+v, %v; want %+v", s.Camera.Choice, err, want)
	}
	for want, r := range map[string]api.CameraRequest{
		path + ":3": {Device: "test"},
		path + ":2": {Device: goodPath, Size: "320x240"},
	} {
		_, err := c.UseCamera(t.Context(), r)
		if kind, message := refusal(err); kind != api.Conflict || !strings.HasSuffix(message, want) {
			t.Errorf("%+v: got %v, want %s with %s", r, err, api.Conflict, want)
		}
	}
	if v, err := c.UseCamera(t.Context(), api.CameraRequest{Device: cam.Node(), Size: "640x480",
		FPS: 10}); err != nil ||
		v.By != api.ChosenByConfig || v.FPS != 10 {
		t.Errorf("what the file says, with another rate: got %+v, %v", v, err)
	}
	set, err := c.SetControls(t.Context(), api.ControlsRequest{Controls: map[string]string{"brightness": "7"}})
	if err != nil || !set.Kept || !strings.HasSuffix(set.NotSaved, path+":4") {
		t.Errorf("got %+v, %v; want it set, and not kept because of line 4", set, err)
	}
}
