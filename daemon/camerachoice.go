package daemon

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/camera"
	"vchat/daemon/camerastore"
)

// setByConfig reports whether the configuration sets a key of the camera. A
// value that is not the default must come from it, even without a file.
func setByConfig(cfg *config.Config, key string) bool {
	if cfg.Line("camera", key) > 0 {
		return true
	}
	c, standard := cfg.Camera, config.Default().Camera
	switch key {
	case "device":
		return c.Device != standard.Device
	case "size":
		return c.Size != standard.Size
	case "fps":
		return c.FPS != standard.FPS
	}
	return false
}

// chooseCamera changes a configuration by what users have chosen for the
// camera. What the configuration sets wins.
func chooseCamera(cfg *config.Config, c camerastore.Choice) {
	device, size, fps := setByConfig(cfg, "device"), setByConfig(cfg, "size"), setByConfig(cfg, "fps")
	if c.Device != "" && !device {
		cfg.Camera.Device = c.Device
	}
	if c.Size != (config.Size{}) && !size {
		cfg.Camera.Size = c.Size
	}
	if c.FPS != 0 && !fps {
		cfg.Camera.FPS = c.FPS
	}
}

// UseCamera makes a camera that of this device, at once and after a restart.
// The mode that the request leaves open is that of the configuration. Errors
// are *api.Error, or those of ctx.
func (d *Daemon) UseCamera(ctx context.Context, r api.CameraRequest) (api.CameraChoice, error) {
	want, name, err := d.wantedCamera(ctx, r)
	if err != nil {
		return api.CameraChoice{}, err
	}
	d.configMu.Lock()
	defer d.configMu.Unlock()
	if want, err = d.choosable(want, r.Device); err != nil {
		return api.CameraChoice{}, err
	}
	if err := d.cameraStore.Choose(want); err != nil {
		return api.CameraChoice{}, &api.Error{Kind: api.Internal, Message: fmt.Sprintf("camera not changed: %v", err)}
	}
	d.applyStores(fmt.Sprintf("camera %s chosen", r.Device))
	v := d.cameraChoice()
	v.Name = name
	d.log.Info("camera chosen", "device", v.Device, "size", v.Size, "fps", v.FPS)
	return v, nil
}

// wantedCamera checks a request without the configuration. It returns the name
// of the camera too, if it is known.
func (d *Daemon) wantedCamera(ctx context.Context, r api.CameraRequest) (c camerastore.Choice, name string, err error) {
	bad := func(format string, args ...any) error {
		return &api.Error{Kind: api.BadValue, Message: fmt.Sprintf(format, args...)}
	}
	if r.Size != "" {
		if c.Size, err = config.ParseSize(r.Size); err != nil {
			return c, "", bad("the size %v", err)
		}
	}
	if c.FPS = r.FPS; c.FPS < 0 || c.FPS > config.MaxFPS {
		return c, "", bad("the frame rate must be from 1 to %d, not %d", config.MaxFPS, c.FPS)
	}
	switch r.Device {
	case "":
		return c, "", bad("the device is missing")
	case "auto":
		return c, "", nil
	case "test":
		c.Device = r.Device
		return c, "", nil
	}
	if err := camerastore.CheckDevice(r.Device); err != nil {
		return c, "", &api.Error{Kind: api.BadValue,
			Message: fmt.Sprintf("%q cannot be chosen: the camera must be auto, test or a path under /dev", r.Device),
			Hint: "vchatctl camera list shows the cameras; " +
				"a file or a command is set as camera.device in the configuration file"}
	}
	found, err := d.inspector.Find(ctx, r.Device)
	if err != nil {
		return c, "", chooseError(err)
	}
	c.Device = found.Path
	return c, found.Name, nil
}

// chooseError returns the *api.Error for a path that is no usable camera.
func chooseError(err error) error {
	err = cameraError(err)
	if e, ok := errors.AsType[*api.Error](err); ok && e.Hint == "" {
		e.Hint = "vchatctl camera list shows the cameras"
	}
	return err
}

// choosable returns the part of a choice that differs from the configuration.
// It returns an error for what the configuration sets to something else. The
// caller holds configMu.
func (d *Daemon) choosable(c camerastore.Choice, requested string) (camerastore.Choice, error) {
	cfg := d.fileConfig
	refuse := func(key, value string) error {
		e := &api.Error{Kind: api.Conflict, Message: fmt.Sprintf("camera.%s is %s in the configuration", key, value)}
		if cfg.File != "" {
			e.Message += ": " + cfg.Place("camera", key)
			e.Hint = fmt.Sprintf("change or remove it in %s, then run vchatctl reload", cfg.File)
		}
		return e
	}
	if setByConfig(cfg, "device") {
		if was := cfg.Camera.Device; requested != was && c.Device != was {
			return c, refuse("device", was)
		}
		c.Device = ""
	}
	if setByConfig(cfg, "size") && c.Size != (config.Size{}) {
		if c.Size != cfg.Camera.Size {
			return c, refuse("size", cfg.Camera.Size.String())
		}
		c.Size = config.Size{}
	}
	if setByConfig(cfg, "fps") && c.FPS != 0 {
		if c.FPS != cfg.Camera.FPS {
			return c, refuse("fps", strconv.Itoa(cfg.Camera.FPS))
		}
		c.FPS = 0
	}
	return c, nil
}

// cameraChoice returns the camera that is configured or chosen. The caller does
// not hold mu.
func (d *Daemon) cameraChoice() api.CameraChoice {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.cfg.Camera
	v := api.CameraChoice{By: api.ChosenByNobody, Device: c.Device, Size: c.Size.String(), FPS: c.FPS}
	chosen := d.cameraStore.Choice()
	switch {
	// d.cfg has the lines of the file, and the values of the choice.
	case d.cfg.Line("camera", "device") > 0:
		v.By, v.File, v.Line = api.ChosenByConfig, d.cfg.File, d.cfg.Line("camera", "device")
	case chosen.Device != "" && chosen.Device == c.Device:
		v.By = api.ChosenByUser
	case setByConfig(d.cfg, "device"):
		v.By, v.File = api.ChosenByConfig, d.cfg.File
	}
	return v
}

// keepControls keeps controls that were set by hand, so that they apply after a
// restart. It returns why some do not, or "". Those of the configuration win.
func (d *Daemon) keepControls(s camera.Settings) (notKept string) {
	d.configMu.Lock()
	defer d.configMu.Unlock()
	values := map[string]string{}
	for _, c := range s.Changes {
		if _, set := d.fileConfig.Camera.Controls[c.After.Name]; set {
			notKept = fmt.Sprintf("the configuration has a value of %s: %s", c.After.Name,
				d.fileConfig.Place("camera", "controls", c.After.Name))
		} else if c.After.Type != "button" { // it would be pressed at each open
			values[c.After.Name] = c.Requested
		}
	}
	if !s.Own || len(values) == 0 {
		return notKept
	}
	if err := d.cameraStore.KeepControls(s.Stable, values); err != nil {
		d.log.Error("camera controls not kept", "device", s.Path, "err", err)
		return err.Error()
	}
	return notKept
}
