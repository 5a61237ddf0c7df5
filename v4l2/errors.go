package v4l2

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Errors of this package match one of these by errors.Is. They also wrap the
// errno, if a call failed.
var (
	ErrNotFound   = errors.New("no such camera")
	ErrUnplugged  = errors.New("camera unplugged") // ENODEV, POLLERR, POLLHUP, or EIO every time: open it again
	ErrBusy       = errors.New("camera in use")
	ErrPermission = errors.New("permission denied")
	ErrNotReady   = errors.New("camera not ready") // also ErrPermission: udev has not set the group of a new node yet
	ErrNoGroup    = errors.New("camera of root")   // also ErrPermission: the node is root's, as before udev
	ErrNoSpace    = errors.New("not enough USB bandwidth")
	ErrNoFormat   = errors.New("no usable frame format")
	ErrNotCamera  = errors.New("not a camera")
	ErrNotUSB     = errors.New("not a USB camera")
	ErrNoControl  = errors.New("no such control")
	ErrBadValue   = errors.New("invalid control value")
	ErrInactive   = errors.New("control cannot be set") // overridden by another, read-only, or fixed during the stream
	ErrFailed     = errors.New("camera does not work")  // any other errno or invalid answer of the driver
	ErrLowRate    = errors.New("low frame rate")        // a warning: the driver reports less than the requested rate
	ErrTimeout    = errors.New("timed out waiting for a frame")
	ErrWoken      = errors.New("woken while waiting for a frame")
	ErrClosed     = errors.New("camera closed")
)

// Class is the way to handle an error.
type Class int

// Classes of errors.
const (
	Fatal        Class = iota // permanent until the configuration or the device changes
	RetryQuietly              // normal operation, such as an unplugged camera
	RetryLoudly               // may be temporary, but may need a user: log it
)

// Classify returns the class of an error of this package. Other errors are
// RetryLoudly, nil is RetryQuietly.
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

// cameraError is an error of one camera.
type cameraError struct {
	device  string
	kind    error  // one of the Err values
	message string // for users
	op      string // the call that failed
	errno   error  // of that call; nil: no call failed
	young   bool   // the node is new: ErrNotReady, too
	noGroup bool   // the node's group is root: ErrNoGroup, too
}

func (f *cameraError) Error() string {
	if f.errno == nil {
		return fmt.Sprintf("%s: %s", f.device, f.message)
	}
	return fmt.Sprintf("%s: %s (%s: %v)", f.device, f.message, f.op, f.errno)
}

// Message returns an error of this package for people: what happened, without
// the camera, the system call and its errno. It returns "" for other errors.
func Message(err error) string {
	var f *cameraError
	if errors.As(err, &f) {
		return f.message
	}
	return ""
}

func (f *cameraError) Unwrap() []error {
	all := []error{f.kind}
	if f.errno != nil {
		all = append(all, f.errno)
	}
	if f.young {
		all = append(all, ErrNotReady)
	}
	if f.noGroup {
		all = append(all, ErrNoGroup)
	}
	return all
}

// udevDelay is how long udev may take to set the group of a new node.
const udevDelay = 3 * time.Second

// diagnose turns the errno of a failed call into an error. All errnos but those
// of controls are mapped here.
func diagnose(k Kernel, d Device, op string, errno error) error {
	f := &cameraError{device: d.Path, op: op, errno: errno}
	switch {
	case errors.Is(errno, unix.ENODEV), errors.Is(errno, unix.ENXIO):
		return lostError(d, op, errno)
	case errors.Is(errno, unix.ENOENT), errors.Is(errno, unix.ENOTDIR), errors.Is(errno, unix.ELOOP):
		f.kind, f.message = ErrNotFound, "no such camera"
	case errors.Is(errno, unix.EACCES), errors.Is(errno, unix.EPERM):
		f.kind, f.message = ErrPermission, "permission denied"
		f.young = k.Age(d.Node) < udevDelay
		if g := k.Group(d.Node); g != "" {
			f.message += fmt.Sprintf("; add this user to the group %q", g)
		} else {
			f.noGroup = true
		}
	case errors.Is(errno, unix.EBUSY):
		f.kind, f.message = ErrBusy, "the camera is in use by another program"
		if h := k.Holders(d.Node); len(h) > 0 {
			f.message = "the camera is in use by " + strings.Join(h, ", ")
		}
	case errors.Is(errno, unix.ENOSPC):
		f.kind = ErrNoSpace
		f.message = "not enough bandwidth left on the USB bus; plug the camera into another port"
	case errors.Is(errno, unix.ENOTTY), errors.Is(errno, unix.EISDIR), errors.Is(errno, errOtherDriver),
		errors.Is(errno, unix.ENOSYS): // qemu-user returns ENOSYS for every V4L2 ioctl
		f.kind, f.message = ErrNotCamera, "not a camera"
	default:
		f.kind, f.message = ErrFailed, "the camera does not work; unplug it and plug it in again"
	}
	return f
}

// lostError returns the error of a stream that has ended. Drivers report an
// unplug and a crash of the camera's firmware alike.
func lostError(d Device, op string, errno error) error {
	var f *cameraError
	if errors.As(errno, &f) {
		return errno
	}
	return &cameraError{device: d.Path, kind: ErrUnplugged, op: op, errno: errno,
		message: "the camera was unplugged or crashed"}
}

// invalidAnswer returns the error for an impossible value from the driver.
func invalidAnswer(d Device, format string, args ...any) error {
	return &cameraError{device: d.Path, kind: ErrFailed,
		message: "invalid answer from the camera driver: " + fmt.Sprintf(format, args...)}
}
