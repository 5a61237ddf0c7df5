package v4l2

import (
	"errors"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"vchat/v4l2/internal/uapi"
)

// Control is a control of a camera.
type Control struct {
	Name                           string // v4l2-ctl's name: lower case, underscores
	Title                          string // the driver's name
	Type                           string // int, bool, menu, intmenu, button, int64, bitmask, string; "": other
	Min, Max, Step, Default, Value int64  // in units of the driver; of a menu the index
	Menu                           []MenuItem
	ReadOnly                       bool
	Inactive                       bool // has no effect now: another control, such as automatic exposure, overrides it
	Unread                         bool // Value is unknown
	id                             uint32
	writeOnly                      bool // has no value to read
}

// MenuItem is an entry of a menu or intmenu. Not every index between Min and
// Max has one.
type MenuItem struct {
	Index int64
	Name  string // of an intmenu its number
}

const (
	maxControls = 512 // limit for drivers whose enumeration never ends
	maxMenu     = 64  // the longest menu of the kernel's own controls has about 25 entries
)

var controlTypes = map[uint32]string{
	uapi.CtrlTypeInteger:     "int",
	uapi.CtrlTypeBoolean:     "bool",
	uapi.CtrlTypeMenu:        "menu",
	uapi.CtrlTypeButton:      "button",
	uapi.CtrlTypeInteger64:   "int64",
	uapi.CtrlTypeString:      "string",
	uapi.CtrlTypeBitmask:     "bitmask",
	uapi.CtrlTypeIntegerMenu: "intmenu",
}

// Controls returns the controls in the driver's order. It does not disturb a
// stream. The errors are those of Find.
func Controls(k Kernel, device string) ([]Control, error) {
	var all []Control
	err := withHandle(orLinux(k), device, func(_ Device, h Handle) (err error) {
		if all, err = enumControls(h); err != nil {
			return err
		}
		for i := range all {
			if err := all[i].read(h); err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

// enumControls returns the controls without their values, because a camera
// takes milliseconds for each. It does not use webcam v0.6.1, which omits
// types, defaults, menu entries and flags.
func enumControls(h Handle) ([]Control, error) {
	var all []Control
	q := uapi.QueryExtCtrl{}
	for range maxControls {
		q = uapi.QueryExtCtrl{ID: q.ID | uapi.CtrlFlagNextCtrl}
		if err := h.QueryControl(&q); err != nil {
			return all, ignoreEnd(err)
		}
		if q.Type == uapi.CtrlTypeCtrlClass || q.Flags&uapi.CtrlFlagDisabled != 0 {
			continue
		}
		all = append(all, describe(h, &q))
	}
	return all, nil
}

// describe converts the answer of QUERY_EXT_CTRL. The value is not read yet.
func describe(h Handle, q *uapi.QueryExtCtrl) Control {
	title := text(q.Name[:])
	c := Control{
		Name: controlName(title), Title: title, Type: controlTypes[q.Type],
		Min: q.Minimum, Max: q.Maximum, Step: int64(q.Step), Default: q.Default,
		ReadOnly:  q.Flags&uapi.CtrlFlagReadOnly != 0,
		Inactive:  q.Flags&uapi.CtrlFlagInactive != 0,
		id:        q.ID,
		Unread:    true,
		writeOnly: q.Flags&uapi.CtrlFlagWriteOnly != 0,
	}
	if c.Type == "bitmask" { // bit 31 is not a sign
		c.Max, c.Default = int64(uint32(c.Max)), int64(uint32(c.Default))
	}
	if c.Type == "menu" || c.Type == "intmenu" {
		c.Menu = menuItems(h, c)
	}
	return c
}

// read reads the value. It returns an error only if the camera is lost.
func (c *Control) read(h Handle) error {
	if c.Type == "" || c.Type == "button" || c.Type == "string" || c.writeOnly {
		return nil
	}
	v := uapi.ExtControl{ID: c.id}
	if err := h.GetControl(&v); err != nil {
		if errors.Is(err, unix.ENODEV) {
			return err
		}
		return nil // cheap cameras stall this request for some of their controls
	}
	c.Unread = false
	switch c.Type {
	case "int64":
		c.Value = v.Value64()
	case "bitmask":
		c.Value = int64(uint32(v.Value()))
	default:
		c.Value = v.Value()
	}
	return nil
}

// menuItems queries the entries of a menu.
func menuItems(h Handle, c Control) []MenuItem {
	var all []MenuItem
	for i := max(0, c.Min); i <= c.Max && i < maxMenu; i++ {
		m := uapi.QueryMenu{ID: c.id, Index: uint32(i)}
		if h.QueryMenu(&m) != nil {
			continue
		}
		if c.Type == "intmenu" {
			all = append(all, MenuItem{i, strconv.FormatInt(m.Value(), 10)})
		} else {
			all = append(all, MenuItem{i, text(m.Name[:])})
		}
	}
	return all
}

// entryName returns the name of a menu entry.
func (c Control) entryName(index int64) string {
	for _, m := range c.Menu {
		if m.Index == index {
			return m.Name
		}
	}
	return strconv.FormatInt(index, 10)
}

// controlName returns a control's name as v4l2-ctl prints it: "Exposure Time,
// Absolute" is exposure_time_absolute.
func controlName(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(s), notAlnum), "_")
}

// lettersAndDigits returns the lower-case letters and digits of s.
func lettersAndDigits(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(s), notAlnum), "")
}

func notAlnum(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9')
}
