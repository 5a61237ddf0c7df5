package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Values of linux/input-event-codes.h.
const (
	evSyn, evKey, evRel, evAbs   = 0, 1, 2, 3
	relX, relY                   = 0, 1
	absX, absY                   = 0, 1
	mtSlot, mtX, mtY, mtTracking = 0x2f, 0x35, 0x36, 0x39
	btnLeft, btnTouch            = 0x110, 0x14a
	propDirect                   = 1
)

// Requests of linux/uinput.h.
const (
	uiDevCreate  = 0x5501
	uiDevSetup   = 0x405c5503
	uiAbsSetup   = 0x401c5504
	uiSetEvBit   = 0x40045564
	uiSetKeyBit  = 0x40045565
	uiSetRelBit  = 0x40045566
	uiSetPropBit = 0x4004556e
)

// event is struct input_event without its time.
type event struct {
	kind, code uint16
	value      int32
}

var report = event{evSyn, 0, 0}

// axis is an absolute axis.
type axis struct {
	code     uint16
	min, max int32
}

// shape is what a kind of device consists of.
type shape struct {
	keys, rels []int
	direct     bool
	axes       []axis
	x, y       axis // of a finger
	turned     bool
}

var (
	single = shape{keys: []int{btnTouch}, axes: []axis{{absX, -2048, 2047}, {absY, 100, 899}},
		x: axis{absX, -2048, 2047}, y: axis{absY, 100, 899}}
	slots = shape{keys: []int{btnTouch}, direct: true,
		axes: []axis{{mtSlot, 0, 9}, {mtX, 0, 4095}, {mtY, 0, 4095}, {mtTracking, 0, 65535}},
		x:    axis{mtX, 0, 4095}, y: axis{mtY, 0, 4095}}
	turned = shape{keys: []int{btnTouch}, direct: true, turned: true,
		axes: []axis{{absX, -100, 1000}, {absY, -20, 700}, {mtSlot, 0, 1}, {mtX, -100, 1000}, {mtY, -20, 700},
			{mtTracking, 0, 65535}},
		x: axis{mtX, -100, 1000}, y: axis{mtY, -20, 700}}
	mouse = shape{keys: []int{btnLeft}, rels: []int{relX, relY}}

	shapes = map[string]shape{"single": single, "slots": slots, "turned": turned, "mouse": mouse}
)

// holdTime is how long a finger or a button rests.
const holdTime = 60 * time.Millisecond

// device is a plugged device.
type device struct {
	shape
	file    *os.File
	fingers int32 // that came down so far
}

// plugIn makes the device. The kernel removes it when the file is closed.
func plugIn(s shape, name string) (*device, error) {
	fd, err := unix.Open("/dev/uinput", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/uinput: %w", err)
	}
	d := &device{shape: s, file: os.NewFile(uintptr(fd), "/dev/uinput")}
	set := func(request uint, number int) {
		if err == nil {
			err = unix.IoctlSetInt(fd, request, number)
		}
	}
	for _, kind := range []int{evKey, evRel, evAbs} {
		set(uiSetEvBit, kind)
	}
	for _, k := range s.keys {
		set(uiSetKeyBit, k)
	}
	for _, r := range s.rels {
		set(uiSetRelBit, r)
	}
	if s.direct {
		set(uiSetPropBit, propDirect)
	}
	for _, a := range s.axes {
		setup := struct {
			code                                    uint16
			_                                       uint16
			value, min, max, fuzz, flat, resolution int32
		}{code: a.code, min: a.min, max: a.max}
		if err == nil {
			err = request(fd, uiAbsSetup, unsafe.Pointer(&setup))
		}
	}
	var setup struct {
		bus, vendor, product, version uint16
		name                          [80]byte
		effects                       uint32
	}
	setup.bus, setup.vendor, setup.product = 3, 0x1234, 0x5678
	copy(setup.name[:len(setup.name)-1], name)
	if err == nil {
		err = request(fd, uiDevSetup, unsafe.Pointer(&setup))
	}
	set(uiDevCreate, 0)
	if err != nil {
		d.file.Close()
		return nil, fmt.Errorf("make the device: %w", err)
	}
	return d, nil
}

func request(fd int, number uint, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(number), uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// down returns the events of a finger at thousandths of the monitor.
func (d *device) down(x, y int32) []event {
	d.fingers++
	var events []event
	if d.x.code == mtX {
		events = []event{{evAbs, mtSlot, 0}, {evAbs, mtTracking, d.fingers}}
	}
	return append(append(events, event{evKey, btnTouch, 1}), d.place(x, y)...)
}

// place returns the events of a finger that has moved.
func (d *device) place(x, y int32) []event {
	if d.turned {
		x, y = y, 1000-x
	}
	at := func(a axis, n int32) event {
		return event{evAbs, a.code, a.min + int32((int64(a.max)-int64(a.min))*int64(n)/1000)}
	}
	return []event{at(d.x, x), at(d.y, y), report}
}

// up returns the events of a finger that is lifted.
func (d *device) up() []event {
	events := []event{{evKey, btnTouch, 0}, report}
	if d.x.code == mtX {
		events = append([]event{{evAbs, mtTracking, -1}}, events...)
	}
	return events
}

// write sends events at once, and waits for a moment.
func (d *device) write(events []event) error {
	var b bytes.Buffer
	for _, e := range events {
		b.Write(make([]byte, 16)) // the kernel sets the time
		_ = binary.Write(&b, binary.NativeEndian, e.kind)
		_ = binary.Write(&b, binary.NativeEndian, e.code)
		_ = binary.Write(&b, binary.NativeEndian, e.value)
	}
	_, err := d.file.Write(b.Bytes())
	time.Sleep(holdTime)
	return err
}
