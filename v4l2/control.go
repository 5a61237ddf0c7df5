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
	Name                           string // as v4l2-ctl prints it: lower case, underscores
	Title                          string // as the driver has it
	Type                           string // int, bool, menu, intmenu, button, int64, bitmask, string; "" for what has no single value
	Min, Max, Step, Default, Value int64
	Menu                           []MenuItem // of menu and intmenu
	ReadOnly                       bool
	Inactive                       bool // has no effect now: another control is in its place, such as automatic exposure
	Unread                         bool // Value is not known: the camera does not tell it
	id                             uint32
	mute                           bool // has no value to read
}

// MenuItem is an entry of a menu; not every index between Min and Max has one.
type MenuItem struct {
	Index int64
	Name  string // of an intmenu the number that it stands for
}

const (
	maxControls = 512
	maxMenu     = 64 // the longest menu of the kernel's own controls has some 25 entries
)

var controlTypes = map[uint32]string{
	uapi.CtrlTypeInteger: "int", uapi.CtrlTypeBoolean: "bool", uapi.CtrlTypeMenu: "menu", uapi.CtrlTypeButton: "button",
	uapi.CtrlTypeInteger64: "int64", uapi.CtrlTypeString: "string", uapi.CtrlTypeBitmask: "bitmask", uapi.CtrlTypeIntegerMenu: "intmenu",
}

// Controls is what can be set, in the driver's order. It may be asked while another handle streams. The errors are those of Find.
func Controls(k Kernel, device string) ([]Control, error) {
	var all []Control
	err := ask(orLinux(k), device, func(_ Device, h Handle) (err error) {
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

// enumControls tells all but the values: each takes the camera milliseconds. It asks by ioctls of our own: webcam v0.6.1 leaves types,
// defaults, menu entries and flags out.
func enumControls(h Handle) ([]Control, error) {
	var all []Control
	q := uapi.QueryExtCtrl{}
	for range maxControls {
		q = uapi.QueryExtCtrl{ID: q.ID | uapi.CtrlFlagNextCtrl}
		if err := h.QueryControl(&q); err != nil {
			return all, unlessLast(err)
		}
		if q.Type == uapi.CtrlTypeCtrlClass || q.Flags&uapi.CtrlFlagDisabled != 0 {
			continue
		}
		all = append(all, describe(h, &q))
	}
	return all, nil
}

func describe(h Handle, q *uapi.QueryExtCtrl) Control {
	title := text(q.Name[:])
	c := Control{
		Name: controlName(title), Title: title, Type: controlTypes[q.Type],
		Min: q.Minimum, Max: q.Maximum, Step: int64(q.Step), Default: q.Default,
		ReadOnly: q.Flags&uapi.CtrlFlagReadOnly != 0,
		Inactive: q.Flags&uapi.CtrlFlagInactive != 0,
		id:       q.ID,
		Unread:   true,
		mute:     q.Flags&uapi.CtrlFlagWriteOnly != 0,
	}
	if c.Type == "bitmask" { // the highest of 32 bits is no sign
		c.Max, c.Default = int64(uint32(c.Max)), int64(uint32(c.Default))
	}
	if c.Type == "menu" || c.Type == "intmenu" {
		c.Menu = menu(h, c)
	}
	return c
}

// read asks for the value. Only the loss of the camera is an error.
func (c *Control) read(h Handle) error {
	if c.Type == "" || c.Type == "button" || c.Type == "string" || c.mute {
		return nil
	}
	v := uapi.ExtControl{ID: c.id}
	if err := h.GetControl(&v); err != nil {
		if errors.Is(err, unix.ENODEV) {
			return err
		}
		return nil // cheap cameras stall the request for a control that they claim to have
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

// menu asks for the entries of a menu. Not every number in the range has one.
func menu(h Handle, c Control) []MenuItem {
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

// entry is the name of a menu's entry.
func (c Control) entry(index int64) string {
	for _, m := range c.Menu {
		if m.Index == index {
			return m.Name
		}
	}
	return strconv.FormatInt(index, 10)
}

// controlName is a control's name as v4l2-ctl prints it: "Exposure Time, Absolute" is exposure_time_absolute.
func controlName(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(s), notAlnum), "_")
}

func bare(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(s), notAlnum), "")
}

func notAlnum(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9')
}
