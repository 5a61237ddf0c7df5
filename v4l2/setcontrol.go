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

// SetControl sets a control, also while another handle streams. value is a number, true, false, on, off, or the name of a menu's entry,
// in which only letters and digits count: 50hz is "50 Hz". A button is pressed by on.
//
// The errors: those of Find; ErrNoControl, ErrBadValue, ErrInactive, ErrFailed. Each says what would do.
func SetControl(k Kernel, device, name, value string) error {
	k = orLinux(k)
	return ask(k, device, func(d Device, h Handle) error {
		s := setter{kernel: k, device: d, handle: h}
		if err := s.find(name, value); err != nil {
			return err
		}
		return s.set(s.wishes[0])
	})
}

// setter sets controls through an open handle.
type setter struct {
	kernel Kernel
	device Device
	handle Handle
	has    []Control
	wishes []wish
}

type wish struct {
	Control
	value string
}

const readOnly = "it can only be read"

// setControls sets what is wished and makes warnings of what cannot be.
func (c *Camera) setControls(want map[string]string) {
	s := setter{kernel: c.kernel, device: c.device, handle: c.handle}
	for name, value := range want {
		if err := s.find(name, value); err != nil {
			c.warnings = append(c.warnings, err)
		}
	}
	// Switches first: a camera refuses an exposure time while its automatic exposure is on.
	slices.SortFunc(s.wishes, byRank)
	for _, w := range s.wishes {
		if err := s.set(w); err != nil {
			c.warnings = append(c.warnings, err)
		}
	}
}

func (c Control) rank() int {
	if c.Type == "bool" || c.Type == "menu" {
		return 0
	}
	return 1
}

// standard are the controls of UVC cameras, by linux/v4l2-controls.h and their names since Linux 5.18. To ask for one of them is much
// quicker than for all: the driver asks the camera for the range of each, and that is at every open when frames are waited for.
var standard = map[string]uint32{
	"brightness": 0x00980900, "contrast": 0x00980901, "saturation": 0x00980902, "hue": 0x00980903,
	"white_balance_automatic": 0x0098090c, "gamma": 0x00980910, "gain": 0x00980913, "power_line_frequency": 0x00980918,
	"white_balance_temperature": 0x0098091a, "sharpness": 0x0098091b, "backlight_compensation": 0x0098091c,
	"auto_exposure": exposureAuto, "exposure_time_absolute": 0x009a0902, "exposure_dynamic_framerate": exposureAutoPriority,
	"pan_absolute": 0x009a0908, "tilt_absolute": 0x009a0909, "focus_absolute": 0x009a090a,
	"focus_automatic_continuous": 0x009a090c, "zoom_absolute": 0x009a090d,
}

// known asks for a standard control; false if there is none of that name there.
func (s *setter) known(name string) (Control, bool) {
	q := uapi.QueryExtCtrl{ID: standard[name]}
	if q.ID == 0 || s.handle.QueryControl(&q) != nil || controlName(text(q.Name[:])) != name || q.Flags&uapi.CtrlFlagDisabled != 0 {
		return Control{}, false
	}
	return describe(s.handle, &q), true
}

// find takes a wish down.
func (s *setter) find(name, value string) error {
	if c, ok := s.known(controlName(name)); ok {
		s.wishes = append(s.wishes, wish{c, value})
		return nil
	}
	if s.has == nil {
		var err error
		if s.has, err = enumControls(s.handle); err != nil {
			return diagnose(s.kernel, s.device, "QUERY_EXT_CTRL", err)
		}
	}
	var names []string
	for _, c := range s.has {
		if c.Name == controlName(name) {
			s.wishes = append(s.wishes, wish{c, value})
			return nil
		}
		names = append(names, c.Name)
	}
	slices.Sort(names)
	says := "the camera has no such control; it has: " + strings.Join(names, ", ")
	if len(names) == 0 {
		says = "the camera has no controls"
	}
	return s.refuse(wish{Control{Name: name}, value}, ErrNoControl, says, nil)
}

func (s *setter) refuse(w wish, kind error, says string, errno error) error {
	return &fault{device: s.device.Path, kind: kind, says: fmt.Sprintf("control %s=%s: %s", w.Name, w.value, says), doing: "S_EXT_CTRLS", errno: errno}
}

func (s *setter) set(w wish) error {
	n, why := w.number(w.value)
	if why != "" {
		return s.refuse(w, ErrBadValue, why, nil)
	}
	// Asked anew: a wish fulfilled before this one may have made it active.
	q := uapi.QueryExtCtrl{ID: w.id}
	if err := s.handle.QueryControl(&q); err != nil {
		return s.failed(w, err)
	}
	switch {
	case q.Flags&uapi.CtrlFlagReadOnly != 0:
		return s.refuse(w, ErrInactive, readOnly, nil)
	case q.Flags&uapi.CtrlFlagInactive != 0:
		return s.refuse(w, ErrInactive, s.whyInactive(w.Control), nil)
	case q.Flags&uapi.CtrlFlagGrabbed != 0:
		return s.refuse(w, ErrInactive, "it cannot be set while the camera streams", nil)
	}
	v := uapi.ExtControl{ID: w.id}
	if w.Type == "int64" {
		v.SetValue64(n)
	} else {
		v.SetValue(n)
	}
	if err := s.handle.SetControl(&v); err != nil {
		return s.failed(w, err)
	}
	return nil
}

// failed is the one place where an errno of setting a control becomes a cause.
func (s *setter) failed(w wish, errno error) error {
	switch {
	case errors.Is(errno, unix.ENODEV), errors.Is(errno, unix.ENXIO):
		return diagnose(s.kernel, s.device, "S_EXT_CTRLS", errno)
	case errors.Is(errno, unix.EACCES): // how kernels before 6.1 tell of an inactive control of a UVC camera
		return s.refuse(w, ErrInactive, s.whyInactive(w.Control), errno)
	case errors.Is(errno, unix.EBUSY):
		return s.refuse(w, ErrInactive, "it cannot be set while the camera streams", errno)
	case errors.Is(errno, unix.ERANGE), errors.Is(errno, unix.EINVAL):
		return s.refuse(w, ErrBadValue, "the camera does not take this value", errno)
	}
	return s.refuse(w, ErrFailed, "the camera refuses it", errno)
}

// number reads a value; why not, if it cannot be.
func (c Control) number(value string) (n int64, why string) {
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
		return c.choose(value)
	case "int", "int64", "bitmask":
	default:
		return 0, "it is no number, and only numbers can be set"
	}
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return 0, fmt.Sprintf("expected a number from %d to %d", c.Min, c.Max)
	case err != nil, n < c.Min, n > c.Max:
		return 0, fmt.Sprintf("out of range: %d to %d", c.Min, c.Max)
	}
	return n, ""
}

// choose takes an entry by its number, as v4l2-ctl does, or by its name.
func (c Control) choose(value string) (n int64, why string) {
	index, err := strconv.ParseInt(value, 0, 64)
	var names []string
	for _, m := range c.Menu {
		if err == nil && m.Index == index {
			return index, ""
		}
		names = append(names, m.Name)
	}
	for _, m := range c.Menu {
		if bare(m.Name) == bare(value) {
			return m.Index, ""
		}
	}
	return 0, "expected one of: " + strings.Join(names, ", ")
}
