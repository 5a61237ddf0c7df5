package v4l2

import (
	"fmt"

	"vchat/v4l2/internal/uapi"
)

// What automatic controls do to others. By the ids of linux/v4l2-controls.h: the names changed with Linux 5.18.

const (
	exposureAuto         = 0x009a0901
	exposureAutoPriority = 0x009a0903

	exposureManual          = 1
	exposureShutterPriority = 2 // the exposure time is by hand as well
)

// automatics tells by which control another one is taken out of the user's hands.
var automatics = map[uint32]uint32{
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

func automatic(id uint32, value int64) bool {
	if id == exposureAuto {
		return value != exposureManual && value != exposureShutterPriority
	}
	return value != 0
}

// whyInactive says what to do for c to take effect.
func (s *setter) whyInactive(c Control) string {
	const unknown = "it has no effect as the camera's other controls are set"
	q := uapi.QueryExtCtrl{ID: automatics[c.id]}
	if q.ID == 0 || s.handle.QueryControl(&q) != nil {
		return unknown
	}
	a := describe(s.handle, &q)
	if err := a.read(s.handle); err != nil || a.Unread || !automatic(a.id, a.Value) {
		return unknown
	}
	is, instead := "on", "off"
	if a.Type == "menu" {
		is, instead = a.entry(a.Value), a.entry(exposureManual)
	}
	return fmt.Sprintf("it has no effect while %s is %q; set %s to %q first", a.Name, is, a.Name, instead)
}

// LowRateReason is the reason if the camera may give fewer frames a second than it agreed to: automatic exposure that is allowed to. It is
// "" otherwise, or if the camera does not tell. For the goroutine that calls Next.
func (c *Camera) LowRateReason() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.usable() != nil {
		return ""
	}
	return whySlow(c.handle)
}

func whySlow(h Handle) string {
	priority := uapi.ExtControl{ID: exposureAutoPriority}
	if err := h.GetControl(&priority); err != nil || priority.Value() == 0 {
		return ""
	}
	auto := uapi.ExtControl{ID: exposureAuto}
	if err := h.GetControl(&auto); err == nil && !automatic(exposureAuto, auto.Value()) {
		return ""
	}
	q := uapi.QueryExtCtrl{ID: exposureAutoPriority}
	if err := h.QueryControl(&q); err != nil {
		return ""
	}
	name := controlName(text(q.Name[:]))
	return fmt.Sprintf("%s is on, by which automatic exposure halves the rate in dim light; set it to off for the full rate", name)
}
