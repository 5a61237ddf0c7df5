package v4l2

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// What can be wrong, for errors.Is. Errors of this package also wrap the errno where there was one, and their text is a
// sentence for whoever set the device up.
var (
	ErrNotFound   = errors.New("no such camera")
	ErrUnplugged  = errors.New("the camera is gone") // ENODEV, POLLERR, POLLHUP, EIO for ever: open it anew
	ErrBusy       = errors.New("the camera is in use")
	ErrPermission = errors.New("no permission for the camera")
	ErrNoSpace    = errors.New("not enough USB bandwidth")
	ErrNoFormat   = errors.New("no usable frame format")
	ErrNotCamera  = errors.New("not a camera")
	ErrNotUSB     = errors.New("not a USB camera")
	ErrNoControl  = errors.New("no such control")
	ErrBadValue   = errors.New("no value for this control")
	ErrInactive   = errors.New("the control cannot be set") // because of another one, while the camera streams, or never
	ErrFailed     = errors.New("the camera does not work")  // any other errno from the driver, or nonsense from it
	ErrTimeout    = errors.New("no picture in time")
	ErrWoken      = errors.New("woken while waiting for a frame")
	ErrClosed     = errors.New("the camera is closed")
)

// Class says what to do about an error.
type Class int

const (
	Fatal        Class = iota // stays until the configuration or the device is changed
	RetryQuietly              // happens in daily life: unplugged, not there yet
	RetryLoudly               // may pass by itself, but somebody may have to do something
)

// Classify is what every error of this package calls for; errors of others are for RetryLoudly.
func Classify(err error) Class {
	switch {
	case errors.Is(err, ErrNotCamera), errors.Is(err, ErrNoFormat):
		return Fatal
	case err == nil, errors.Is(err, ErrNotFound), errors.Is(err, ErrUnplugged), errors.Is(err, ErrTimeout),
		errors.Is(err, ErrWoken), errors.Is(err, ErrClosed):
		return RetryQuietly
	default:
		return RetryLoudly
	}
}

// fault is an error of a camera: what it means, in a sentence, and what came of which call.
type fault struct {
	device string
	kind   error
	says   string
	doing  string
	errno  error // nil: found out without a failing call
}

func (f *fault) Error() string {
	if f.errno == nil {
		return fmt.Sprintf("%s: %s", f.device, f.says)
	}
	return fmt.Sprintf("%s: %s (%s: %v)", f.device, f.says, f.doing, f.errno)
}

func (f *fault) Unwrap() []error {
	if f.errno == nil {
		return []error{f.kind}
	}
	return []error{f.kind, f.errno}
}

// diagnose is the one place where an errno becomes a cause. doing names the failed call for whoever reads the log.
func diagnose(k Kernel, d Device, doing string, errno error) error {
	f := &fault{device: d.Path, doing: doing, errno: errno}
	switch {
	case errors.Is(errno, unix.ENODEV), errors.Is(errno, unix.ENXIO):
		return brokenDown(d, doing, errno)
	case errors.Is(errno, unix.ENOENT), errors.Is(errno, unix.ENOTDIR), errors.Is(errno, unix.ELOOP):
		f.kind, f.says = ErrNotFound, "there is no such camera"
	case errors.Is(errno, unix.EACCES), errors.Is(errno, unix.EPERM):
		f.kind, f.says = ErrPermission, "this user may not use the camera"
		if g := k.Group(d.Node); g != "" {
			f.says += fmt.Sprintf("; make it a member of the group %q", g)
		}
	case errors.Is(errno, unix.EBUSY):
		f.kind, f.says = ErrBusy, "the camera is in use elsewhere"
		if h := k.Holders(d.Node); len(h) > 0 {
			f.says = "the camera is in use by " + strings.Join(h, ", ")
		}
	case errors.Is(errno, unix.ENOSPC):
		f.kind, f.says = ErrNoSpace, "the USB bus has no room for this stream beside another camera's; plug the camera into another port"
	case errors.Is(errno, unix.ENOTTY), errors.Is(errno, unix.EISDIR), errors.Is(errno, errForeign),
		errors.Is(errno, unix.ENOSYS): // qemu-user's answer to every V4L2 ioctl
		f.kind, f.says = ErrNotCamera, "this is not a camera"
	default:
		f.kind, f.says = ErrFailed, "the camera does not work; unplug it and plug it in again"
	}
	return f
}

// brokenDown is for a stream that has ended for good. Drivers tell an unplug and a crash of the camera's firmware apart no better.
func brokenDown(d Device, doing string, errno error) error {
	var f *fault
	if errors.As(errno, &f) {
		return errno
	}
	return &fault{device: d.Path, kind: ErrUnplugged, says: "the camera is gone; it was unplugged, or it broke down", doing: doing, errno: errno}
}

// nonsense is for an answer of the driver that cannot be true.
func nonsense(d Device, format string, args ...any) error {
	return &fault{device: d.Path, kind: ErrFailed, says: "the camera's driver talks nonsense: " + fmt.Sprintf(format, args...)}
}
