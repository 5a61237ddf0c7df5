package controltest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"vchat/daemon/api"
)

// FailCameras makes later camera and privacy commands fail with err, or succeed
// again if err is nil.
func (d *Device) FailCameras(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cameraErr = err
}

func (d *Device) cameraError() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cameraErr
}

// Privacy implements control.Backend.
func (d *Device) Privacy() bool { return d.Status().Privacy }

// SetPrivacy implements control.Backend.
func (d *Device) SetPrivacy(on bool, uid int) error {
	d.record("privacy %v uid %d", on, uid)
	if err := d.cameraError(); err != nil {
		return err
	}
	d.Update(func(s *api.Status) { s.Privacy = on })
	d.Events.Publish(api.Event{Event: api.EventPrivacy, Privacy: &on})
	return nil
}

// Cameras implements control.Backend. It returns the camera of the status, and
// one that another program uses.
func (d *Device) Cameras(context.Context) (api.Cameras, error) {
	own := d.Status().Camera
	return api.Cameras{Cameras: []api.CameraInfo{
		{Path: own.Device, Node: own.Device, Name: "HD Webcam C270", Driver: "uvcvideo", Bus: "usb-0000:01:00.0-1.3",
			Formats: []string{"MJPG", "YUYV"},
			Used:    true, State: own.State, Reason: own.Reason},
		{Path: "/dev/video2", Node: "/dev/video2", Name: "Pretend", Driver: "uvcvideo", Bus: "usb-1",
			Formats: []string{"YUYV"}, InUseBy: []string{"cheese (pid 812)"}},
	}, Privacy: d.Privacy()}, d.cameraError()
}

// UseCamera implements control.Backend. The stable name of /dev/video2 is
// /dev/v4l/by-id/pretend, and there is no other camera but /dev/video0.
func (d *Device) UseCamera(_ context.Context, r api.CameraRequest) (api.CameraChoice, error) {
	d.record("use %s %s %d", r.Device, r.Size, r.FPS)
	if err := d.cameraError(); err != nil {
		return api.CameraChoice{}, err
	}
	c := api.CameraChoice{By: api.ChosenByUser, Device: r.Device, Size: cmp.Or(r.Size, "1280x720"), FPS: cmp.Or(r.FPS,
		30)}
	switch r.Device {
	case "auto":
		c.By = api.ChosenByNobody
	case "/dev/video0":
		c.Device, c.Name = "/dev/v4l/by-id/c270", "HD Webcam C270"
	case "/dev/video2":
		c.Device, c.Name = "/dev/v4l/by-id/pretend", "Pretend"
	}
	d.Update(func(s *api.Status) { s.Camera.Choice = c })
	return c, nil
}

// Formats implements control.Backend.
func (d *Device) Formats(_ context.Context, device string) (api.Formats, error) {
	d.record("formats %s", device)
	return api.Formats{Device: "/dev/video0", Name: "HD Webcam C270", Formats: []api.Format{
		{FourCC: "MJPG", Config: "mjpeg", Description: "Motion-JPEG", Sizes: []api.FrameSize{
			{Size: "1280x720", FPS: []float64{30, 15, 7.5}}, {Size: "640x480", FPS: []float64{30}}}},
		{FourCC: "NV24", Description: "Y/CbCr 4:4:4", Sizes: []api.FrameSize{{Size: "16x16", MaxSize: "640x480",
			Step: "2x2", FPS: []float64{}}}},
	}}, d.cameraError()
}

func number(n int64) *int64 { return &n }

// Controls implements control.Backend.
func (d *Device) Controls(_ context.Context, device string) (api.Controls, error) {
	d.record("controls %s", device)
	return controls(), d.cameraError()
}

func controls() api.Controls {
	return api.Controls{Device: "/dev/video0", Name: "HD Webcam C270", Controls: []api.Control{
		{Name: "brightness", Title: "Brightness", Type: "int", Min: -64, Max: 64, Step: 1, Default: 0,
			Value: number(10)},
		{Name: "power_line_frequency", Title: "Power Line Frequency", Type: "menu", Max: 2, Step: 1, Default: 1,
			Value: number(2),
			Menu:  []api.MenuEntry{{Value: 0, Name: "Disabled"}, {Value: 1, Name: "50 Hz"}, {Value: 2, Name: "60 Hz"}}},
		{Name: "white_balance_automatic", Title: "White Balance, Automatic", Type: "bool", Max: 1, Step: 1,
			Default: 1, Value: number(1)},
		{Name: "white_balance_temperature", Title: "White Balance Temperature", Type: "int", Min: 2000, Max: 6500,
			Step: 10, Default: 4000,
			Value: number(4000), Inactive: true},
		{Name: "pixel_rate", Title: "Pixel Rate", Type: "int64", Max: 1 << 30, Step: 1, ReadOnly: true},
		{Name: "push", Title: "Push", Type: "button"},
	}}
}

// SetControls implements control.Backend. It accepts numbers, and 50hz.
func (d *Device) SetControls(_ context.Context, r api.ControlsRequest) (api.Controls, error) {
	var set []string
	c := controls()
	for _, name := range slices.Sorted(maps.Keys(r.Controls)) {
		value := r.Controls[name]
		set = append(set, name+"="+value)
		i := slices.IndexFunc(c.Controls, func(c api.Control) bool { return c.Name == name })
		if i < 0 {
			return c, &api.Error{Kind: api.NoSuchControl,
				Message: fmt.Sprintf("control %s: the camera has no such control; it has: brightness, …", name)}
		}
		n, err := strconv.ParseInt(strings.TrimSuffix(value, "hz"), 10, 64)
		if err != nil {
			return c, &api.Error{Kind: api.BadValue, Message: fmt.Sprintf("control %s=%s: expected a number", name,
				value)}
		}
		if value == "50hz" {
			n = 1
		}
		c.Changed = append(c.Changed, api.ControlChange{Name: name, From: c.Controls[i].Value, To: &n})
		c.Controls[i].Value = &n
	}
	c.Kept = r.Device == ""
	d.record("set %s %s", r.Device, strings.Join(set, " "))
	return c, d.cameraError()
}
