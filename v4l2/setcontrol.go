package v4l2

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"vchat/v4l2/internal/uapi"
)

// SetControl sets a control, also during a stream. value is a number, true,
// false, on, off, or the name of a menu entry, in which only letters and digits
// count: 50hz is "50 Hz". The value on presses a button.
//
// Errors: those of Find; ErrNoControl, ErrBadValue, ErrInactive, ErrFailed. The
// text names the valid controls or values.
func SetControl(k Kernel, device, name, value string) error {
	k = orLinux(k)
	return withHandle(k, device, func(d Device, h Handle) error {
		s := setter{kernel: k, device: d, handle: h}
		if err := s.add(name, value); err != nil {
			return err
		}
		return s.set(s.requests[0])
	})
}

// setter sets controls through an open handle.
type setter struct {
	kernel   Kernel
	device   Device
	handle   Handle
	controls []Control // of the camera; nil: not yet enumerated
	requests []request
}

// request is a value to set.
type request struct {
	Control
	value string
}

const (
	readOnlyMessage  = "it is read-only"
	streamingMessage = "it cannot be set while the camera streams"
)

// setControls sets the controls of Config. Failures become warnings.
func (c *Camera) setControls(cfg Config) {
	s := setter{kernel: c.kernel, device: c.device, handle: c.handle}
	for name, value := range cfg.Controls {
		if err := s.add(name, value); err != nil {
			c.warnings = append(c.warnings, err)
		}
	}
	if len(cfg.ControlsOf) > 0 {
		for name, value := range cfg.ControlsOf[StableName(c.kernel, c.device)] {
			if _, set := cfg.Controls[name]; set {
				continue
			}
			if err := s.add(name, value); err != nil && !errors.Is(err, ErrNoControl) {
				c.warnings = append(c.warnings, err)
			}
		}
	}
	// Switches first: cameras reject an exposure time while automatic exposure
	// is on.
	slices.SortFunc(s.requests, byRank)
	for _, w := range s.requests {
		if err := s.set(w); err != nil {
			c.warnings = append(c.warnings, err)
		}
	}
}

// rank orders switches before the controls that they may enable.
func (c Control) rank() int {
	if c.Type == "bool" || c.Type == "menu" {
		return 0
	}
	return 1
}

// standardControls maps the names of UVC controls since Linux 5.18 to their ids
// in linux/v4l2-controls.h. Querying one is much faster than enumerating all,
// for which the driver queries the range of each from the camera. Open does
// this before the first frame.
var standardControls = map[string]uint32{
	"brightness":                 0x00980900,
	"contrast":                   0x00980901,
	"saturation":                 0x00980902,
	"hue":                        0x00980903,
	"white_balance_automatic":    0x0098090c,
	"gamma":                      0x00980910,
	"gain":                       0x00980913,
	"power_line_frequency":       0x00980918,
	"white_balance_temperature":  0x0098091a,
	"sharpness":                  0x0098091b,
	"backlight_compensation":     0x0098091c,
	"auto_exposure":              exposureAuto,
	"exposure_time_absolute":     0x009a0902,
	"exposure_dynamic_framerate": exposureAutoPriority,
	"pan_absolute":               0x009a0908,
	"tilt_absolute":              0x009a0909,
	"focus_absolute":             0x009a090a,
	"focus_automatic_continuous": 0x009a090c,
	"zoom_absolute":              0x009a090d,
}

// standardControl queries a standard control. It reports false if the camera
// has none of this name.
func (s *setter) standardControl(name string) (Control, bool) {
	q := uapi.QueryExtCtrl{ID: standardControls[name]}
	if q.ID == 0 || s.handle.QueryControl(&q) != nil {
		return Control{}, false
	}
	if controlName(text(q.Name[:])) != name || q.Flags&uapi.CtrlFlagDisabled != 0 {
		return Control{}, false
	}
	return describe(s.handle, &q), true
}

// add appends a request. It returns ErrNoControl for an unknown name.
func (s *setter) add(name, value string) error {
	if c, ok := s.standardControl(controlName(name)); ok {
		s.requests = append(s.requests, request{c, value})
		return nil
	}
	if s.controls == nil {
		var err error
		if s.controls, err = enumControls(s.handle); err != nil {
			return diagnose(s.kernel, s.device, "QUERY_EXT_CTRL", err)
		}
	}
	var names []string
	for _, c := range s.controls {
		if c.Name == controlName(name) {
			s.requests = append(s.requests, request{c, value})
			return nil
		}
		names = append(names, c.Name)
	}
	slices.Sort(names)
	message := "the camera has no such control; it has: " + strings.Join(names, ", ")
	if len(names) == 0 {
		message = "the camera has no controls"
	}
	return s.reject(request{Control{Name: name}, value}, ErrNoControl, message, nil)
}

// reject returns an error about one request.
func (s *setter) reject(w request, kind error, message string, errno error) error {
	return &cameraError{device: s.device.Path, kind: kind, op: "S_EXT_CTRLS", errno: errno,
		message: fmt.Sprintf("control %s=%s: %s", w.Name, w.value, message)}
}

// set executes one request.
func (s *setter) set(w request) error {
	n, problem := w.parse(w.value)
	if problem != "" {
		return s.reject(w, ErrBadValue, problem, nil)
	}
	// Query again: an earlier request may have made this control active.
	q := uapi.QueryExtCtrl{ID: w.id}
	if err := s.handle.QueryControl(&q); err != nil {
		return s.setError(w, err)
	}
	switch {
	case q.Flags&uapi.CtrlFlagReadOnly != 0:
		return s.reject(w, ErrInactive, readOnlyMessage, nil)
	case q.Flags&uapi.CtrlFlagInactive != 0:
		return s.reject(w, ErrInactive, s.inactiveReason(w.Control), nil)
	case q.Flags&uapi.CtrlFlagGrabbed != 0:
		return s.reject(w, ErrInactive, streamingMessage, nil)
	}
	v := uapi.ExtControl{ID: w.id}
	if w.Type == "int64" {
		v.SetValue64(n)
	} else {
		v.SetValue(n)
	}
	if err := s.handle.SetControl(&v); err != nil {
		return s.setError(w, err)
	}
	return nil
}

// setError turns the errno of S_EXT_CTRLS into an error.
func (s *setter) setError(w request, errno error) error {
	switch {
	case errors.Is(errno, unix.ENODEV), errors.Is(errno, unix.ENXIO):
		return diagnose(s.kernel, s.device, "S_EXT_CTRLS", errno)
	case errors.Is(errno, unix.EACCES): // an inactive UVC control before Linux 6.1
		return s.reject(w, ErrInactive, s.inactiveReason(w.Control), errno)
	case errors.Is(errno, unix.EBUSY):
		return s.reject(w, ErrInactive, streamingMessage, errno)
	case errors.Is(errno, unix.ERANGE), errors.Is(errno, unix.EINVAL):
		return s.reject(w, ErrBadValue, "the camera rejected this value", errno)
	}
	return s.reject(w, ErrFailed, "the camera rejected the request", errno)
}

// parse converts a value to a number. problem is the error message if it
// cannot.
func (c Control) parse(value string) (n int64, problem string) {
	value = strings.TrimSpace(value)
	n, err := strconv.ParseInt(value, 0, 64)
	switch c.Type {
	case "bool", "button":
		switch strings.ToLower(value) {
		case "1", "on", "true", "yes":
			return 1, ""
		case "0", "off", "false", "no":
			if c.Type == "bool" {
				return 0, ""
			}
		}
		if c.Type == "button" {
			return 0, "expected on, to press the button"
		}
		return 0, "expected on or off"
	case "menu", "intmenu":
		return c.parseMenu(value)
	case "int", "int64", "bitmask":
	default:
		return 0, "only numeric controls can be set"
	}
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return 0, fmt.Sprintf("expected a number from %d to %d", c.Min, c.Max)
	case err != nil, n < c.Min, n > c.Max:
		return 0, fmt.Sprintf("out of range: %d to %d", c.Min, c.Max)
	}
	return n, ""
}

// parseMenu converts the index of a menu entry, as v4l2-ctl takes it, or its
// name.
func (c Control) parseMenu(value string) (n int64, problem string) {
	index, err := strconv.ParseInt(value, 0, 64)
	var names []string
	for _, m := range c.Menu {
		if err == nil && m.Index == index {
			return index, ""
		}
		names = append(names, m.Name)
	}
	for _, m := range c.Menu {
		if lettersAndDigits(m.Name) == lettersAndDigits(value) {
			return m.Index, ""
		}
	}
	return 0, "expected one of: " + strings.Join(names, ", ")
}
