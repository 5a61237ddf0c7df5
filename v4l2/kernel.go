package v4l2

import (
	"time"

	"github.com/blackjack/webcam"

	"vchat/v4l2/internal/uapi"
)

// Kernel is the operating system interface of this package. Each method is one
// call, so that tests reach all logic with real errnos. A nil Kernel means
// Linux; package v4l2test has a fake one. Errors wrap a unix.Errno. Methods may
// be called from any goroutine.
type Kernel interface {
	// Nodes returns the /dev/videoN paths, ordered by N.
	Nodes() ([]string, error)
	// ByID maps nodes to their names under /dev/v4l/by-id, which survive a
	// replug. It is empty without udev.
	ByID() map[string]string
	// Resolve follows symbolic links to the node.
	Resolve(path string) (string, error)
	// Open opens the node for streaming: read-write, nonblocking,
	// close-on-exec.
	Open(path string) (Handle, error)
	// Probe opens the node a second time to enumerate formats.
	Probe(path string) (Prober, error)
	// Label returns the kernel's name for the node and its index, from 0, among
	// the nodes of its device. An unknown name is "". It opens nothing.
	Label(node string) (name string, index int)
	// Holders returns the programs that have the node open, if /proc shows them
	// to this user.
	Holders(node string) []string
	// Group returns the group that owns the node; "" if unknown or root.
	Group(node string) string
	// Age returns how long ago the node was made. An unknown age is very long.
	Age(node string) time.Duration
	// USBDevice returns the USB device of the node, or ErrNotUSB.
	USBDevice(node string) (USBDevice, error)
	// ResetUSB resets the USB device at a path under /dev/bus/usb.
	ResetUSB(path string) error
	// Watch starts to watch for nodes that appear, disappear, or change their
	// owner.
	Watch() (NodeWatch, error)
	// Now returns CLOCK_MONOTONIC.
	Now() time.Duration
}

// USBDevice identifies a USB device.
type USBDevice struct {
	Path            string // /dev/bus/usb/BBB/DDD
	Vendor, Product string // four hexadecimal digits each
}

// NodeWatch reports changes of nodes. Wake may be called from any goroutine,
// the others by one at a time.
type NodeWatch interface {
	// Wait blocks until a node changes or Wake is called.
	Wait() (woken bool, err error)
	// Wake ends the current Wait, or else the next one.
	Wake()
	Close() error
}

// Handle is an open camera node. Wake may be called from any goroutine, the
// others by one at a time.
type Handle interface {
	QueryCap(*uapi.Capability) error
	GetFormat(*uapi.Format) error
	SetFormat(*uapi.Format) error
	GetParm(*uapi.StreamParm) error
	SetParm(*uapi.StreamParm) error
	ReqBufs(*uapi.RequestBuffers) error
	QueryBuf(*uapi.Buffer) error
	QBuf(*uapi.Buffer) error
	DQBuf(*uapi.Buffer) error
	StreamOn() error
	StreamOff() error
	EnumFormat(*uapi.FormatDesc) error
	EnumFrameSize(*uapi.FrameSize) error
	EnumFrameInterval(*uapi.FrameInterval) error
	QueryControl(*uapi.QueryExtCtrl) error
	QueryMenu(*uapi.QueryMenu) error
	GetControl(*uapi.ExtControl) error
	SetControl(*uapi.ExtControl) error
	// Map maps a buffer for reading. Unmap takes exactly the slice that Map
	// returned.
	Map(offset, length uint32) ([]byte, error)
	Unmap([]byte) error
	// Poll waits for a filled buffer, an error, a Wake, or the end of wait. A
	// negative wait has no end.
	Poll(wait time.Duration) (Events, error)
	// Wake ends the current Poll, or else the next one. It does nothing after
	// Close.
	Wake()
	Close() error
}

// Prober is the used part of *webcam.Webcam. Tests pass its answers, wrong ones
// included, through this package's logic.
type Prober interface {
	GetSupportedFormats() map[webcam.PixelFormat]string
	GetSupportedFrameSizes(webcam.PixelFormat) []webcam.FrameSize
	Close() error
}

// Events are the results of Poll. No event means that the wait timed out.
type Events uint8

// The events of Poll.
const (
	EventReady  Events = 1 << iota // POLLIN: a buffer can be dequeued
	EventError                     // POLLERR: the stream failed, or the camera was unplugged
	EventHangup                    // POLLHUP, POLLNVAL: the camera was unplugged
	EventWake                      // Wake was called
)
