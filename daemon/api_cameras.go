package daemon

import (
	"context"
	"errors"

	"vchat/daemon/api"
	"vchat/daemon/camera"
)

// The methods in this file query cameras without mu, because a driver may take
// seconds to answer.

// Cameras lists the cameras of this device. The configured one is always among
// them, even if it is not a V4L2 camera or not connected.
func (d *Daemon) Cameras(ctx context.Context) (api.Cameras, error) {
	found, err := d.inspector.List(ctx)
	if err != nil {
		return api.Cameras{}, cameraError(err)
	}
	all := api.Cameras{Cameras: []api.CameraInfo{}, Privacy: d.Privacy()}
	for _, f := range found {
		all.Cameras = append(all.Cameras, d.cameraInfo(f))
	}
	return all, nil
}

func (d *Daemon) cameraInfo(f camera.Found) api.CameraInfo {
	v := api.CameraInfo{
		Path: f.Path, Node: f.Node, Name: f.Card, Driver: f.Driver, Bus: f.Bus, Used: f.Own, InUseBy: f.Holders,
	}
	for _, format := range f.Formats {
		v.Formats = append(v.Formats, format.String())
	}
	switch {
	case f.Own:
		own := d.cameraView(d.camera.Status())
		v.State, v.Reason = own.State, own.Reason
	case errors.Is(f.Err, camera.ErrPrivacy):
	case f.Err == nil && !f.Usable:
		v.Reason = "auto does not use it"
	}
	if f.Err != nil && v.Reason == "" && !errors.Is(f.Err, camera.ErrPrivacy) {
		v.Reason = f.Err.Error()
	}
	return v
}

// configFormats maps FourCCs to the values of camera.format.
var configFormats = map[string]string{"MJPG": "mjpeg", "JPEG": "mjpeg", "YUYV": "yuyv", "NV12": "nv12", "GREY": "grey"}

// Formats returns the formats that a camera offers; device "" is the configured
// one. Errors are *api.Error, as those of Controls and SetControls, or those of
// ctx.
func (d *Daemon) Formats(ctx context.Context, device string) (api.Formats, error) {
	about, all, err := d.inspector.Formats(ctx, device)
	if err != nil {
		return api.Formats{}, cameraError(err)
	}
	v := api.Formats{Device: about.Path, Name: about.Name, Formats: []api.Format{}}
	for _, f := range all {
		format := api.Format{FourCC: f.Format.String(), Description: f.Description, Sizes: []api.FrameSize{}}
		format.Config = configFormats[format.FourCC]
		for _, s := range f.Sizes {
			w := api.FrameSize{Size: size(s.Width, s.Height), FPS: append([]float64{}, s.FPS...)}
			if s.MaxWidth > 0 {
				w.MaxSize, w.Step = size(s.MaxWidth, s.MaxHeight), size(s.StepWidth, s.StepHeight)
			}
			format.Sizes = append(format.Sizes, w)
		}
		v.Formats = append(v.Formats, format)
	}
	return v, nil
}

// Controls returns the controls of a camera.
func (d *Daemon) Controls(ctx context.Context, device string) (api.Controls, error) {
	about, all, err := d.inspector.Controls(ctx, device)
	if err != nil {
		return api.Controls{}, cameraError(err)
	}
	return controlsView(camera.Settings{DeviceInfo: about, Controls: all}), nil
}

// SetControls sets controls of a camera. Those of the configured camera also
// apply when it is opened again, and after a restart.
func (d *Daemon) SetControls(ctx context.Context, r api.ControlsRequest) (api.Controls, error) {
	s, err := d.inspector.Set(ctx, r.Device, r.Controls)
	for _, c := range s.Changes {
		d.log.Info("camera control set", "device", s.Path, "control", c.After.Name, "value", c.Requested)
	}
	notSaved := d.keepControls(s)
	if err != nil {
		return api.Controls{}, cameraError(err)
	}
	v := controlsView(s)
	if v.Kept = s.Own; v.Kept {
		v.NotSaved = notSaved
	}
	return v, nil
}

func controlsView(s camera.Settings) api.Controls {
	v := api.Controls{Device: s.Path, Name: s.Name, Controls: []api.Control{}}
	for _, c := range s.Controls {
		w := api.Control{
			Name: c.Name, Title: c.Title, Type: c.Type, Min: c.Min, Max: c.Max, Step: c.Step, Default: c.Default,
			Value: controlValue(c), ReadOnly: c.ReadOnly, Inactive: c.Inactive,
		}
		for _, m := range c.Menu {
			w.Menu = append(w.Menu, api.MenuEntry{Value: m.Index, Name: m.Name})
		}
		v.Controls = append(v.Controls, w)
	}
	for _, c := range s.Changes {
		v.Changed = append(v.Changed, api.ControlChange{
			Name: c.After.Name, From: controlValue(c.Before), To: controlValue(c.After),
		})
	}
	return v
}

// controlValue returns nil if the driver did not return the value.
func controlValue(c camera.Control) *int64 {
	if c.Unread {
		return nil
	}
	return &c.Value
}

// cameraError returns the *api.Error for an error of the camera package.
func cameraError(err error) error {
	kind, hint := api.CameraUnavailable, ""
	switch {
	case errors.Is(err, context.Canceled):
		return err // the client has gone
	case errors.Is(err, camera.ErrPrivacy):
		kind, hint = api.PrivacyOn, "vchatctl privacy off"
	case errors.Is(err, camera.ErrNoControl):
		kind = api.NoSuchControl
	case errors.Is(err, camera.ErrBadValue), errors.Is(err, camera.ErrBadPath):
		kind = api.BadValue
	case errors.Is(err, camera.ErrInactive):
		kind = api.Conflict
	case errors.Is(err, camera.ErrNotV4L2):
		hint = "list the cameras with vchatctl camera list and select one with --device"
	}
	return &api.Error{Kind: kind, Message: camera.Text(err), Hint: hint}
}

// cameraView returns the API's view of our camera. It reads the camera's name
// from sysfs, without opening the camera. The caller does not hold mu.
func (d *Daemon) cameraView(s camera.Status) api.Camera {
	v := api.Camera{
		Device: s.Device, State: api.CameraState(s.State), Reason: s.Reason, Since: s.Since, SinceMS: sinceMS(s.Since),
		Format: s.Format, FPS: round1(s.FPS), Frames: s.Frames, Dropped: s.Dropped,
		Broken: s.Broken, BrokenBy: s.BrokenBy,
		Restarted: s.Restarted, Reopened: s.Reopened, USBResets: s.USBResets, Warnings: s.Warnings, Rotate: s.Rotate,
	}
	name, missing := d.camera.Label(s.Device)
	v.Name, v.Choice = name, d.cameraChoice()
	if s.State == camera.Idle && v.Reason == "" {
		v.Reason = missing
	}
	if s.Width > 0 {
		v.Size = size(s.Width, s.Height)
	}
	return v
}
