package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/camera"
	"vchat/daemon/client"
	"vchat/v4l2/v4l2test"
)

const goodPath = "/dev/v4l/by-id/usb-Good_0001-video-index0"

// startWithKernel runs a device with the cameras of a simulated kernel and
// returns its client.
func startWithKernel(t *testing.T, kernel *v4l2test.Kernel, change func(*config.Config)) *client.Client {
	t.Helper()
	cfg := config.Default()
	dir, err := os.MkdirTemp("", "vchat-test-") // short: the path of a socket is limited to 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	cfg.StateDir, cfg.Listen, cfg.Control = dir, "", config.Control{Socket: filepath.Join(dir, "control.sock")}
	if change != nil {
		change(cfg)
	}
	d, err := New(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	own := cameraConfig(d.cfg, cfg, d.cameraStore)
	own.Kernel = kernel
	d.camera = camera.New(own, d.log)
	d.inspector = camera.NewInspector(d.camera)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	c := client.New(cfg.Control.Socket)
	t.Cleanup(func() {
		c.Close()
		cancel()
		if err := errors.Join(<-done, kernel.Leaks(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	select {
	case <-d.Ready():
	case <-time.After(20 * time.Second):
		t.Fatal("the daemon is not ready after 20 s")
	}
	return c
}

// plugGood plugs a camera without faults into k.
func plugGood(k *v4l2test.Kernel) *v4l2test.Camera {
	return k.Plug(v4l2test.Device{Card: "Good", ID: filepath.Base(goodPath)})
}

// wait polls the status until it fulfils ok.
func wait(t *testing.T, c *client.Client, what string, ok func(api.Status) bool) api.Status {
	t.Helper()
	for range 2000 {
		s, err := c.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if ok(s) {
			return s
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("after 20 s still no %s", what)
	return api.Status{}
}

// refusal returns kind and message of an *api.Error.
func refusal(err error) (api.Kind, string) {
	var e *api.Error
	if !errors.As(err, &e) {
		return "", ""
	}
	return e.Kind, e.Message
}

func TestStatus_camera(t *testing.T) {
	k := v4l2test.New()
	c := startWithKernel(t, k, func(c *config.Config) { c.Camera.FPS = 60 })
	s, _ := c.Status(t.Context())
	if s.Camera.State != api.CameraIdle || s.Camera.Reason != "auto: no camera is connected" {
		t.Errorf("without a camera: got %+v, want it idle with the reason", s.Camera)
	}
	plugGood(k)
	s, _ = c.Status(t.Context())
	if s.Camera.Name != "Good" || s.Camera.Reason != "" || k.Counts().Opens > 0 {
		t.Errorf("plugged in: got %+v and %d opens, want the name and no open", s.Camera, k.Counts().Opens)
	}
	feed, err := c.Feed(t.Context(), api.Self)
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	s = wait(t, c, "frames", func(s api.Status) bool { return s.Camera.State == api.CameraStreaming })
	if c := s.Camera; c.Device != goodPath || c.Name != "Good" || c.Format != "mjpeg" || c.Size != "1280x720" {
		t.Errorf("with a viewer: got %+v, want %s streaming as mjpeg 1280x720", c, goodPath)
	}
	if len(s.Camera.Warnings) != 1 || !strings.Contains(s.Camera.Warnings[0], "not 60") ||
		len(s.Problems) != 1 || s.Problems[0].Message != s.Camera.Warnings[0] {
		t.Errorf("got warnings %q and problems %+v, want one about 60 fps in each", s.Camera.Warnings, s.Problems)
	}
}

func TestCameras(t *testing.T) {
	k := v4l2test.New()
	cam := plugGood(k)
	locked := k.Plug(v4l2test.Device{Card: "Locked"})
	locked.Script(func(f *v4l2test.Faults) { f.Open, f.Busy = unix.EACCES, "cheese (pid 812)" })
	c := startWithKernel(t, k, nil)
	all, err := c.Cameras(t.Context())
	if err != nil || len(all.Cameras) != 2 {
		t.Fatalf("got %+v, %v, want two cameras", all, err)
	}
	own, other := all.Cameras[0], all.Cameras[1]
	if own.Path != goodPath || own.Node != cam.Node() || own.Name != "Good" || own.Driver != "uvcvideo" || !own.Used ||
		own.State != api.CameraIdle || own.Reason != "" || strings.Join(own.Formats, " ") != "MJPG YUYV" {
		t.Errorf("configured camera: got %+v", own)
	}
	if other.Used || other.State != "" || !strings.Contains(other.Reason, `group "video"`) || len(other.InUseBy) != 1 {
		t.Errorf("other camera: got %+v", other)
	}
	f, err := c.Formats(t.Context(), "")
	if err != nil || f.Device != goodPath || f.Name != "Good" || f.Formats[0].Config != "mjpeg" ||
		f.Formats[0].Sizes[0].FPS[0] != 30 {
		t.Errorf("formats: got %+v, %v", f, err)
	}
	before, err := c.Controls(t.Context(), cam.Node())
	if err != nil || len(before.Controls) == 0 {
		t.Fatalf("controls: got %+v, %v", before, err)
	}
	after, err := c.SetControls(t.Context(), api.ControlsRequest{Controls: map[string]string{"brightness": "9"}})
	if err != nil || !after.Kept || len(after.Changed) != 1 || *after.Changed[0].To != 9 ||
		cam.Control("brightness") != 9 {
		t.Errorf("set: got %+v, %v", after.Changed, err)
	}
	for name, tt := range map[string]struct {
		device  string
		control string
		value   string
		kind    api.Kind
		message string
	}{
		"no such control": {"", "shine", "1", api.NoSuchControl, "brightness"},
		"bad value":       {"", "brightness", "9999", api.BadValue, "out of range"},
		"inactive":        {"", "exposure_time_absolute", "9", api.Conflict, "auto_exposure"},
		"no permission":   {locked.Node(), "brightness", "1", api.CameraUnavailable, `group "video"`},
		"no camera":       {"/dev/video9", "brightness", "1", api.CameraUnavailable, "no such camera"},
		"no path":         {"/etc/passwd", "brightness", "1", api.BadValue, "under /dev"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.SetControls(t.Context(),
				api.ControlsRequest{Device: tt.device, Controls: map[string]string{tt.control: tt.value}})
			if kind, message := refusal(err); kind != tt.kind || !strings.Contains(message, tt.message) {
				t.Errorf("got %v (%s), want %q (%s)", err, kind, tt.message, tt.kind)
			}
		})
	}
}

func TestCameras_notV4L2(t *testing.T) {
	for _, device := range []string{"test", "file:/nonexistent", "exec:true"} {
		t.Run(device, func(t *testing.T) {
			c := startWithKernel(t, v4l2test.New(), func(c *config.Config) { c.Camera.Device = device })
			all, err := c.Cameras(t.Context())
			if err != nil || len(all.Cameras) != 1 || all.Cameras[0].Path != device || !all.Cameras[0].Used {
				t.Errorf("cameras: got %+v, %v, want only %s", all, err, device)
			}
			_, err = c.Formats(t.Context(), "")
			if kind, message := refusal(err); kind != api.CameraUnavailable ||
				!strings.Contains(message, "only a V4L2 camera has formats and controls") {
				t.Errorf("formats: got %v, want that it has none", err)
			}
		})
	}
}

// The kernel counts the opens: after privacy on has returned, no request opens
// a camera until it is off.
func TestSetPrivacy_opensNothing(t *testing.T) {
	k := v4l2test.New()
	plugGood(k)
	c := startWithKernel(t, k, nil)
	feed, err := c.Feed(t.Context(), api.Self)
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	wait(t, c, "frames", func(s api.Status) bool { return s.Camera.State == api.CameraStreaming })
	if err := c.SetPrivacy(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	before := k.Counts()
	if before.Opens != before.Closes {
		t.Errorf("after privacy on: got %d opens and %d closes, want the same", before.Opens, before.Closes)
	}
	for {
		f, err := feed.Next()
		if err != nil {
			t.Fatal(err)
		}
		if f.Card {
			break
		}
	}
	_, errFormats := c.Formats(t.Context(), "")
	_, errControls := c.Controls(t.Context(), "/dev/video0")
	_, errSet := c.SetControls(t.Context(), api.ControlsRequest{Controls: map[string]string{"brightness": "9"}})
	for _, err := range []error{errFormats, errControls, errSet} {
		if kind, _ := refusal(err); kind != api.PrivacyOn {
			t.Errorf("while privacy is on: got %v, want %s", err, api.PrivacyOn)
		}
	}
	all, err := c.Cameras(t.Context())
	if err != nil || !all.Privacy || len(all.Cameras) != 1 || all.Cameras[0].Name != "Good" ||
		len(all.Cameras[0].Formats) > 0 {
		t.Errorf("list: got %+v, %v, want the camera without formats", all, err)
	}
	if after := k.Counts(); after.Opens != before.Opens {
		t.Errorf("got %d opens while privacy is on, want none", after.Opens-before.Opens)
	}
	if err := c.SetPrivacy(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	wait(t, c, "frames again", func(s api.Status) bool { return s.Camera.State == api.CameraStreaming })
}
