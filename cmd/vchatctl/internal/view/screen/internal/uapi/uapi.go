// Package uapi is the part of the Linux interfaces for displays (drm/drm.h, drm/drm_mode.h) and for virtual consoles
// (linux/vt.h, linux/kd.h) that showing frames on a bare screen needs: the structures as the kernel lays them out, and
// one function per ioctl. It knows no policy and keeps no state.
//
// It promises that every structure has the size and the offsets of the C one on amd64, arm64 and 32-bit arm, which for
// these interfaces are the same on all three (the tests hold them to numbers that a C compiler made of the headers), and
// that every error is the kernel's own unix.Errno.
package uapi

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The direction bits of asm-generic/ioctl.h, which amd64, arm64 and arm share.
const (
	dirWrite = 1 << 30
	dirRead  = 2 << 30
	both     = dirRead | dirWrite
)

// ioctl tries again when a signal came in between: the Go runtime sends itself some all the time.
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

// ioctlValue is for those that take a number and no address.
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
