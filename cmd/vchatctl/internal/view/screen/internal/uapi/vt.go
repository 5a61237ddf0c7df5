package uapi

import "unsafe"

// Values of linux/kd.h and linux/vt.h.
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

// GetKDMode returns KDText if the kernel draws text on the console, else
// KDGraphics (KDGETMODE). It returns ENOTTY if fd is not a console.
func GetKDMode(fd int) (int, error) {
	var mode int32 // an int in C
	err := ioctl(fd, kdGetMode, unsafe.Pointer(&mode))
	return int(mode), err
}

// SetKDMode sets text or graphics mode (KDSETMODE). It returns EPERM if the
// console is not the controlling terminal and the process lacks
// CAP_SYS_TTY_CONFIG.
func SetKDMode(fd, mode int) error { return ioctlValue(fd, kdSetMode, uintptr(mode)) }

// SetVTMode sets who controls switches of the console: the kernel, or the
// process by signals (VT_SETMODE). It returns EPERM as SetKDMode does.
func SetVTMode(fd int, m VTMode) error { return ioctl(fd, vtSetMode, unsafe.Pointer(&m)) }

// ActiveVT returns the number of the console on the screen (VT_GETSTATE).
func ActiveVT(fd int) (int, error) {
	var s vtStat
	err := ioctl(fd, vtGetState, unsafe.Pointer(&s))
	return int(s.active), err
}

// AnswerVT answers a signal of the kernel (VT_RELDISP): 1 allows the switch
// away, VTAckAcq confirms the switch to this console.
func AnswerVT(fd, answer int) error { return ioctlValue(fd, vtRelDisp, uintptr(answer)) }

// DeviceNumber returns the device number of the terminal (TIOCGDEV). For
// /dev/tty and /dev/console it is that of the real terminal.
func DeviceNumber(fd int) (uint32, error) {
	var n uint32
	err := ioctl(fd, tiocgDev, unsafe.Pointer(&n))
	return n, err
}
