package uapi

import "unsafe"

// Values of linux/kd.h and linux/vt.h, by the headers' names.
const (
	KDText     = 0
	KDGraphics = 1

	VTAuto    = 0
	VTProcess = 1
	VTAckAcq  = 2
)

const (
	kdSetMode  = 0x4b3a
	kdGetMode  = 0x4b3b
	vtSetMode  = 0x5602
	vtGetState = 0x5603
	vtRelDisp  = 0x5605
	tiocgDev   = dirRead | 4<<16 | 'T'<<8 | 0x32 // asm-generic/ioctls.h
)

// VTMode is struct vt_mode.
type VTMode struct {
	Mode   uint8
	WaitV  uint8
	RelSig int16
	AcqSig int16
	FrSig  int16
}

// vtStat is struct vt_stat.
type vtStat struct{ active, signal, state uint16 }

// GetKDMode asks whether the kernel draws text on the console (KDGETMODE); ENOTTY if it is no console.
func GetKDMode(fd int) (int, error) {
	var mode int32 // an int in C
	err := ioctl(fd, kdGetMode, unsafe.Pointer(&mode))
	return int(mode), err
}

// SetKDMode switches the kernel's text off and on (KDSETMODE). EPERM if the console is not the caller's controlling
// terminal and it may not administer terminals.
func SetKDMode(fd, mode int) error { return ioctlValue(fd, kdSetMode, uintptr(mode)) }

// SetVTMode says who is asked before the console is switched away (VT_SETMODE). EPERM as of SetKDMode.
func SetVTMode(fd int, m VTMode) error { return ioctl(fd, vtSetMode, unsafe.Pointer(&m)) }

// ActiveVT asks for the number of the console that is on the screen (VT_GETSTATE).
func ActiveVT(fd int) (int, error) {
	var s vtStat
	err := ioctl(fd, vtGetState, unsafe.Pointer(&s))
	return int(s.active), err
}

// AnswerVT answers the kernel's signal (VT_RELDISP): 1 lets it switch away, VTAckAcq takes the switch to here.
func AnswerVT(fd, answer int) error { return ioctlValue(fd, vtRelDisp, uintptr(answer)) }

// DeviceNumber asks which terminal this really is (TIOCGDEV): /dev/tty and /dev/console stand for others.
func DeviceNumber(fd int) (uint32, error) {
	var n uint32
	err := ioctl(fd, tiocgDev, unsafe.Pointer(&n))
	return n, err
}
