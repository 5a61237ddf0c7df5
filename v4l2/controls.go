package v4l2

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/blackjack/webcam"

	"vchat/v4l2/internal/uapi"
)

// Types of control, as webcam numbers them; it lists no others.
const (
	controlInteger = iota
	controlBoolean
	controlMenu
)

type wish struct {
	id    webcam.ControlID
	c     webcam.Control
	name  string
	value string
}

// setControls sets what is wished and makes warnings of what cannot be.
func (c *Camera) setControls(p Prober, want map[string]string) {
	if len(want) == 0 {
		return
	}
	has := p.GetControls()
	var names []string
	byName := make(map[string]wish, len(has))
	for id, ctl := range has {
		n := controlName(ctl.Name)
		names = append(names, n)
		byName[n] = wish{id: id, c: ctl, name: n}
	}
	slices.Sort(names)
	var list []wish
	for name, value := range want {
		w, ok := byName[controlName(name)]
		if !ok {
			c.warn(name, value, fmt.Errorf("the camera has no such control; it has: %s", strings.Join(names, ", ")))
			continue
		}
		w.value = value
		list = append(list, w)
	}
	// Switches first: a camera refuses an exposure time while its automatic exposure is on.
	slices.SortFunc(list, func(a, b wish) int {
		return cmp.Or(cmp.Compare(b2i(a.c.Type == controlInteger), b2i(b.c.Type == controlInteger)), cmp.Compare(a.id, b.id))
	})
	for _, w := range list {
		v, err := c.controlValue(w)
		if err == nil {
			err = p.SetControl(w.id, v)
		}
		if err != nil {
			c.warn(w.name, w.value, err)
		}
	}
}

func (c *Camera) warn(name, value string, err error) {
	c.warnings = append(c.warnings, fmt.Errorf("%s: control %s=%s: %w", c.device.Path, name, value, err))
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// controlValue reads a value: a number, on or off, or an entry of a menu by its name, in which only letters and digits count, so
// that 50hz is "50 Hz".
func (c *Camera) controlValue(w wish) (int32, error) {
	n, notNumber := strconv.ParseInt(strings.TrimSpace(w.value), 0, 32)
	switch w.c.Type {
	case controlBoolean:
		switch strings.ToLower(strings.TrimSpace(w.value)) {
		case "1", "on", "true", "yes":
			return 1, nil
		case "0", "off", "false", "no":
			return 0, nil
		}
		return 0, fmt.Errorf("expected on or off")
	case controlMenu:
		names, byName := c.menu(w)
		if v, ok := byName[bare(w.value)]; ok {
			return v, nil
		}
		if notNumber != nil {
			return 0, fmt.Errorf("expected one of: %s", strings.Join(names, ", "))
		}
	}
	if notNumber != nil {
		return 0, fmt.Errorf("expected a number from %d to %d", w.c.Min, w.c.Max)
	}
	if n < int64(w.c.Min) || n > int64(w.c.Max) {
		return 0, fmt.Errorf("out of range: %d to %d", w.c.Min, w.c.Max)
	}
	return int32(n), nil
}

// menu asks for the entries of a menu, which webcam does not give. Not every number in the range has one.
func (c *Camera) menu(w wish) (names []string, byName map[string]int32) {
	byName = make(map[string]int32)
	const most = 64 // the longest menu of the kernel's controls has some 25 entries
	for i := max(0, w.c.Min); i <= w.c.Max && i < most; i++ {
		m := uapi.QueryMenu{ID: uint32(w.id), Index: uint32(i)}
		if c.handle.QueryMenu(&m) != nil {
			continue
		}
		n := text(m.Name[:])
		names = append(names, n)
		byName[bare(n)] = i
	}
	return names, byName
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
