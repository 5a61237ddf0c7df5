package uapi

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Event types, codes and properties of linux/input-event-codes.h.
const (
	EvSyn = 0x00
	EvKey = 0x01
	EvRel = 0x02
	EvAbs = 0x03

	SynReport  = 0
	SynDropped = 3 // events were lost: the reader is too slow

	RelX = 0x00
	RelY = 0x01

	AbsX            = 0x00
	AbsY            = 0x01
	AbsMTSlot       = 0x2f
	AbsMTPositionX  = 0x35
	AbsMTPositionY  = 0x36
	AbsMTTrackingID = 0x39

	BtnLeft       = 0x110
	BtnToolPen    = 0x140
	BtnToolFinger = 0x145
	BtnTouch      = 0x14a

	PropPointer       = 0x00 // it moves a pointer: a touchpad
	PropDirect        = 0x01 // it lies on a screen
	PropAccelerometer = 0x06
)

// InputEvent is struct input_event. Its time has two longs.
type InputEvent struct {
	_     [2]uintptr
	Type  uint16
	Code  uint16
	Value int32
}

// AbsInfo is struct input_absinfo.
type AbsInfo struct {
	Value      int32
	Min, Max   int32
	Fuzz, Flat int32
	Resolution int32
}

// inputRead returns the number of a read ioctl of linux/input.h.
func inputRead(number, size int) uintptr {
	return dirRead | uintptr(size)<<16 | 'E'<<8 | uintptr(number)
}

func inputBits(kind, size int) uintptr { return inputRead(0x20+kind, size) }
func inputProps(size int) uintptr      { return inputRead(0x09, size) }
func inputAbs(code uint16) uintptr     { return inputRead(0x40+int(code), int(unsafe.Sizeof(AbsInfo{}))) }
func inputSlots(size int) uintptr      { return inputRead(0x0a, size) }

// InputBits sets one bit in b for each event code of a type that the device
// sends, or for each type if kind is EvSyn (EVIOCGBIT).
func InputBits(fd int, kind int, b []byte) error {
	return ioctl(fd, inputBits(kind, len(b)), unsafe.Pointer(&b[0]))
}

// InputProps sets one bit in b for each property of the device (EVIOCGPROP). A
// kernel before 2.6.38 returns EINVAL.
func InputProps(fd int, b []byte) error {
	return ioctl(fd, inputProps(len(b)), unsafe.Pointer(&b[0]))
}

// InputAbs returns the range and the value of an axis (EVIOCGABS). It returns
// EINVAL if the device has no axes.
func InputAbs(fd int, code uint16) (AbsInfo, error) {
	var a AbsInfo
	err := ioctl(fd, inputAbs(code), unsafe.Pointer(&a))
	return a, err
}

// InputSlots reads a value of each slot of a multitouch device (EVIOCGMTSLOTS).
// It returns EINVAL if the device has no slots.
func InputSlots(fd int, code uint16, values []int32) error {
	b := make([]int32, 1+len(values))
	b[0] = int32(code)
	if err := ioctl(fd, inputSlots(4*len(b)), unsafe.Pointer(&b[0])); err != nil {
		return err
	}
	copy(values, b[1:])
	return nil
}

// OpenInput opens an input device for reading.
func OpenInput(path string) (fd int, err error) {
	return unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
}
