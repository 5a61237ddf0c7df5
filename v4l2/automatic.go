package v4l2

import (
	"fmt"

	"vchat/v4l2/internal/uapi"
)

// This file describes the effects of automatic controls on others. It uses the
// ids of linux/v4l2-controls.h, because the names changed with Linux 5.18.

const (
	exposureAuto         = 0x009a0901
	exposureAutoPriority = 0x009a0903

	exposureManual          = 1
	exposureShutterPriority = 2 // the exposure time is manual, too
)

// automaticFor maps a control to the automatic control that overrides it.
var automaticFor = map[uint32]uint32{
	0x00980900: 0x00980920, // brightness: autobrightness
	0x00980903: 0x00980919, // hue: hue auto
	0x0098090e: 0x0098090c, // red balance: auto white balance
	0x0098090f: 0x0098090c, // blue balance
	0x0098091a: 0x0098090c, // white balance temperature
	0x00980913: 0x00980912, // gain: autogain
	0x009a0902: exposureAuto,
	0x009a0911: exposureAuto, // iris
	0x009a090a: 0x009a090c,   // focus: continuous autofocus
}

// isAutomatic reports whether an automatic control with this value overrides
// others.
func isAutomatic(id uint32, value int64) bool {
	if id == exposureAuto {
		return value != exposureManual && value != exposureShutterPriority
	}
	return value != 0
}

// inactiveReason returns why c has no effect, and what to set first if that is
// known.
func (s *setter) inactiveReason(c Control) string {
	const unknown = "it has no effect with the present values of other controls"
	q := uapi.QueryExtCtrl{ID: automaticFor[c.id]}
	if q.ID == 0 || s.handle.QueryControl(&q) != nil {
		return unknown
	}
	a := describe(s.handle, &q)
	if err := a.read(s.handle); err != nil || a.Unread || !isAutomatic(a.id, a.Value) {
		return unknown
	}
	is, instead := "on", "off"
	if a.Type == "menu" {
		is, instead = a.entryName(a.Value), a.entryName(exposureManual)
	}
	return fmt.Sprintf("it has no effect while %s is %q; set %s to %q first", a.Name, is, a.Name, instead)
}

// LowRateReason returns, in words for users, why the camera may deliver fewer
// frames a second than negotiated: automatic exposure may lower the rate. It
// returns "" if that is off or unknown. Call it from the goroutine that calls
// Next.
func (c *Camera) LowRateReason() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.checkUsable() != nil {
		return ""
	}
	return lowRateReason(c.handle)
}

func lowRateReason(h Handle) string {
	priority := uapi.ExtControl{ID: exposureAutoPriority}
	if err := h.GetControl(&priority); err != nil || priority.Value() == 0 {
		return ""
	}
	auto := uapi.ExtControl{ID: exposureAuto}
	if err := h.GetControl(&auto); err == nil && !isAutomatic(exposureAuto, auto.Value()) {
		return ""
	}
	q := uapi.QueryExtCtrl{ID: exposureAutoPriority}
	if err := h.QueryControl(&q); err != nil {
		return ""
	}
	name := controlName(text(q.Name[:]))
	return name + " is on, so automatic exposure lowers the rate in dim light; set it to off for the full rate"
}
