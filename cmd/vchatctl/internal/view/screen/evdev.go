package screen

import (
	"encoding/binary"
	"math"
	"math/bits"
	"time"
	"unsafe"

	"vchat/cmd/vchatctl/internal/view/screen/internal/uapi"
)

// deviceKind is what an input device is for this package.
type deviceKind int

const (
	notPointer  deviceKind = iota
	mouse                  // it reports how far it has moved
	tablet                 // a mouse that reports where it is, such as that of an emulator
	touchScreen            // it lies on the monitor; a pen, too
	touchpad               // a finger on it moves the pointer
)

// bitset has bit n of byte n/8 for the number n, as ioctls return it.
type bitset []byte

func (b bitset) has(n int) bool { return n/8 < len(b) && b[n/8]>>(n%8)&1 != 0 }

// capabilities are what an input device can send.
type capabilities struct{ keys, rels, axes, props bitset }

// kind returns the kind of a device, by the rules of udev's builtin input_id.
func (c *capabilities) kind() deviceKind {
	hasXY := c.axes.has(uapi.AbsX) && c.axes.has(uapi.AbsY)
	isMulti := c.isMultitouch()
	finger := c.keys.has(uapi.BtnToolFinger) && !c.keys.has(uapi.BtnToolPen)
	switch {
	case c.props.has(uapi.PropAccelerometer):
		return notPointer
	case hasXY || isMulti:
		switch {
		case c.props.has(uapi.PropDirect):
			return touchScreen
		case c.props.has(uapi.PropPointer) && (isMulti || c.keys.has(uapi.BtnTouch)), finger:
			return touchpad
		case isMulti || c.keys.has(uapi.BtnTouch):
			return touchScreen
		case c.keys.has(uapi.BtnLeft):
			return tablet
		}
	}
	if c.rels.has(uapi.RelX) && c.rels.has(uapi.RelY) && c.keys.has(uapi.BtnLeft) {
		return mouse
	}
	return notPointer
}

// isMultitouch reports whether the device has slots for fingers (protocol B of
// Documentation/input/multi-touch-protocol.rst).
func (c *capabilities) isMultitouch() bool {
	return c.axes.has(uapi.AbsMTSlot) && c.axes.has(uapi.AbsMTPositionX) && c.axes.has(uapi.AbsMTPositionY) &&
		c.axes.has(uapi.AbsMTTrackingID)
}

// report is what a device has sent up to a SYN_REPORT.
type report struct {
	moved   bool
	x, y    float64 // of a place: from 0 to 1 of the device; of a movement: how far
	press   bool
	release bool
	cancel  bool // events were lost: what was pressed is released elsewhere
}

const (
	maxSlots = 32 // of the fingers that are kept apart

	// A tap on a touchpad is a click.
	tapTime     = 200 * time.Millisecond
	tapDistance = 0.03 // of the touchpad
)

// point is a place in the units of a device.
type point struct{ x, y int32 }

// pointerDecoder decodes the events of a device. Only one finger counts: the
// first one, until all are up again.
type pointerDecoder struct {
	kind  deviceKind
	multi bool
	x, y  uapi.AbsInfo // ranges

	partial []byte // of an event
	lost    bool   // skip events up to the next SYN_REPORT

	slot     int32
	places   [maxSlots]point // slot 0 without multitouch
	down     uint32          // slots with a finger
	followed int32           // slot of the finger that counts, or -1
	recent   int32           // slot of the last finger that counted

	// Since the last SYN_REPORT:
	dx, dy           int32
	moved            bool
	pressed, lifted  bool // the finger that counts, or the button of a mouse
	buttonOn, button bool // a button of a touchpad: state, changed

	// Of the finger on a touchpad:
	last     point
	lastGood bool
	downAt   time.Time
	travel   float64
}

func newPointerDecoder(kind deviceKind, multi bool) *pointerDecoder {
	return &pointerDecoder{kind: kind, multi: multi, followed: -1}
}

// eventSize is the size of struct input_event.
const eventSize = int(unsafe.Sizeof(uapi.InputEvent{}))

// decode calls send for each report that ends in b, which was read at a time.
// It reports whether events were lost: then call sync.
func (d *pointerDecoder) decode(b []byte, now time.Time, send func(report)) (lost bool) {
	if len(d.partial) > 0 {
		b = append(d.partial, b...)
	}
	for ; len(b) >= eventSize; b = b[eventSize:] {
		e := b[eventSize-8:]
		kind, code := binary.NativeEndian.Uint16(e), binary.NativeEndian.Uint16(e[2:])
		value := int32(binary.NativeEndian.Uint32(e[4:]))
		switch {
		case kind == uapi.EvSyn && code == uapi.SynDropped:
			if !d.lost {
				d.reset()
				send(report{cancel: true})
			}
			d.lost, lost = true, true
		case d.lost:
			d.lost = kind != uapi.EvSyn || code != uapi.SynReport
		case kind == uapi.EvSyn && code == uapi.SynReport:
			d.report(now, send)
		case kind == uapi.EvRel:
			d.relative(code, value)
		case kind == uapi.EvAbs:
			d.absolute(code, value)
		case kind == uapi.EvKey:
			d.keyChanged(code, value)
		}
	}
	d.partial = append(d.partial[:0], b...)
	return lost
}

// reset forgets what is pressed.
func (d *pointerDecoder) reset() {
	d.dx, d.dy, d.moved, d.pressed, d.lifted, d.buttonOn, d.button = 0, 0, false, false, false, false, false
	d.followed, d.lastGood = -1, false
}

// sync takes the state of the device, at the start and when events were lost.
// ids are the tracking IDs of the slots, -1 for a slot without a finger.
// Fingers that are down already do not count.
func (d *pointerDecoder) sync(slot int32, ids []int32, places []point) {
	d.slot, d.down = slot, 0
	copy(d.places[:], places)
	for i, id := range ids[:min(len(ids), maxSlots)] {
		if id >= 0 {
			d.down |= 1 << i
		}
	}
}

func (d *pointerDecoder) relative(code uint16, value int32) {
	if d.kind != mouse {
		return
	}
	const most = 1 << 14 // no hand moves a mouse farther between two reports
	switch value = max(-most, min(most, value)); code {
	case uapi.RelX:
		d.dx = max(-most, min(most, d.dx+value))
		d.moved = true
	case uapi.RelY:
		d.dy = max(-most, min(most, d.dy+value))
		d.moved = true
	}
}

func (d *pointerDecoder) absolute(code uint16, value int32) {
	if !d.multi {
		switch code {
		case uapi.AbsX:
			d.places[0].x, d.moved = value, true
		case uapi.AbsY:
			d.places[0].y, d.moved = value, true
		}
		return
	}
	if code == uapi.AbsMTSlot {
		d.slot = value
		return
	}
	if d.slot < 0 || d.slot >= maxSlots {
		return
	}
	switch code {
	case uapi.AbsMTPositionX:
		d.places[d.slot].x = value
		d.moved = d.moved || d.slot == d.followed
	case uapi.AbsMTPositionY:
		d.places[d.slot].y = value
		d.moved = d.moved || d.slot == d.followed
	case uapi.AbsMTTrackingID:
		d.finger(d.slot, value >= 0)
	}
}

// finger handles a finger that comes down in a slot, or is lifted.
func (d *pointerDecoder) finger(slot int32, down bool) {
	bit := uint32(1) << slot
	switch {
	case !down:
		d.down &^= bit
		if slot == d.followed {
			d.followed, d.lifted = -1, true
		}
	case d.down == 0:
		d.down, d.followed, d.recent, d.pressed, d.moved = bit, slot, slot, true, true
	default:
		d.down |= bit
	}
}

func (d *pointerDecoder) keyChanged(code uint16, value int32) {
	down := value != 0
	switch {
	case value > 1: // a repetition
	case code == uapi.BtnTouch && !d.multi && (d.kind == touchScreen || d.kind == touchpad):
		d.finger(0, down)
	case code == uapi.BtnLeft && d.kind == touchpad:
		d.buttonOn, d.button = down, true
	case code == uapi.BtnLeft && (d.kind == mouse || d.kind == tablet):
		d.pressed, d.lifted = d.pressed || down, !down
	}
}

// report sends what the device has sent since the last SYN_REPORT. A finger
// that came down and was lifted in between is a press and a release.
func (d *pointerDecoder) report(now time.Time, send func(report)) {
	r := report{press: d.pressed, release: d.lifted}
	switch d.kind {
	case mouse:
		r.moved, r.x, r.y = d.moved, float64(d.dx), float64(d.dy)
	case tablet:
		r.moved = d.moved
		r.x, r.y = d.place(0)
	case touchScreen:
		r.moved = d.moved
		r.x, r.y = d.place(d.recent)
	case touchpad:
		r = d.touchpadReport(now)
	}
	d.dx, d.dy, d.moved, d.pressed, d.lifted, d.button = 0, 0, false, false, false, false
	if r.moved || r.press || r.release {
		send(r)
	}
}

// touchpadReport returns the movement of a finger, and the clicks.
func (d *pointerDecoder) touchpadReport(now time.Time) (r report) {
	if d.pressed {
		d.lastGood, d.downAt, d.travel = false, now, 0
	}
	if d.followed >= 0 && d.moved {
		at := d.places[d.followed]
		if d.lastGood {
			r.moved = true
			r.x = fraction(at.x, d.x) - fraction(d.last.x, d.x)
			r.y = fraction(at.y, d.y) - fraction(d.last.y, d.y)
			d.travel += math.Abs(r.x) + math.Abs(r.y)
		}
		d.last, d.lastGood = at, true
	}
	isTap := d.lifted && bits.OnesCount32(d.down) == 0 && now.Sub(d.downAt) <= tapTime && d.travel <= tapDistance
	r.press = d.button && d.buttonOn || isTap
	r.release = d.button && !d.buttonOn || isTap
	return r
}

// place returns the place of a slot, from 0 to 1.
func (d *pointerDecoder) place(slot int32) (x, y float64) {
	p := d.places[slot]
	return fraction(p.x, d.x), fraction(p.y, d.y)
}

// fraction returns where a value lies in its range, from 0 to 1. A device
// without a range has one place.
func fraction(value int32, of uapi.AbsInfo) float64 {
	if of.Max <= of.Min {
		return 0
	}
	f := (float64(value) - float64(of.Min)) / (float64(of.Max) - float64(of.Min))
	return max(0, min(1, f))
}
