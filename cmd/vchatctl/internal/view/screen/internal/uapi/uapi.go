// Package uapi has the structures and ioctls of the Linux interfaces for
// displays (drm/drm.h, drm/drm_mode.h), virtual consoles (linux/vt.h,
// linux/kd.h) and input devices (linux/input.h) that package screen needs. It
// has no state.
//
// Guarantees:
//   - Each structure has the size and offsets of the C one on amd64, arm64 and
//     32-bit arm. They are the same on all three, but for struct input_event; a
//     test compares them with the output of a C compiler.
//   - Each error is the kernel's unix.Errno.
package uapi

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Direction bits of asm-generic/ioctl.h, which amd64, arm64 and arm use.
const (
	dirWrite = 1 << 30
	dirRead  = 2 << 30
	dirBoth  = dirRead | dirWrite
)

// ioctl retries on EINTR: the Go runtime sends signals to its own threads.
func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
		if errno == 0 {
			return nil
		}
		if errno != unix.EINTR {
			return errno
		}
	}
}

// ioctlValue is ioctl with a number as the argument instead of an address.
func ioctlValue(fd int, request, arg uintptr) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, arg)
		if errno == 0 {
			return nil
		}
		if errno != unix.EINTR {
			return errno
		}
	}
}
