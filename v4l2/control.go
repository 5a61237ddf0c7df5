package v4l2

import "errors"

// Control is a control of a camera.
type Control struct {
	Name                           string // as v4l2-ctl prints it: lower case, underscores
	Title                          string // as the driver has it
	Type                           string // int, bool, menu, intmenu, button, int64, bitmask, string
	Min, Max, Step, Default, Value int64
	Menu                           []MenuItem // of menu and intmenu
	ReadOnly                       bool
	Inactive                       bool // has no effect now: another control is in its place, such as automatic exposure
}

// MenuItem is an entry of a menu; not every index between Min and Max has one.
type MenuItem struct {
	Index int64
	Name  string // of an intmenu the number that it stands for
}

// Controls is what can be set, in the driver's order. It may be asked while another handle streams.
func Controls(k Kernel, device string) ([]Control, error) {
	return nil, errors.ErrUnsupported
}

// SetControl sets a control, also while another handle streams. value is a number, true, false, on, off, or the name of a menu's entry,
// in which only letters and digits count: 50hz is "50 Hz".
func SetControl(k Kernel, device, name, value string) error {
	return errors.ErrUnsupported
}
