package v4l2

import (
	"time"

	"github.com/blackjack/webcam"

	"vchat/v4l2/internal/uapi"
)

// Kernel is what this package wants from the operating system: single calls below all of its logic, so that the logic
// meets true errnos in tests. A nil Kernel means Linux; v4l2test has a pretended one. Errors keep their unix.Errno.
type Kernel interface {
	// Nodes lists /dev/videoN, by N.
	Nodes() ([]string, error)
	// ByID maps nodes to their names under /dev/v4l/by-id, which stay the same over a replug. Empty without udev.
	ByID() map[string]string
	// Resolve follows symbolic links to the node.
	Resolve(path string) (string, error)
	// Open opens the node for streaming: read-write, nonblocking, close-on-exec.
	Open(path string) (Handle, error)
	// Probe opens the node a second time, for a moment, to enumerate.
	Probe(path string) (Prober, error)
	// Label is what the kernel calls the node, and which one of its device's it is, from 0; "" if that cannot be told. Nothing is opened.
	Label(node string) (name string, index int)
	// Holders names the programs that have the node open, as far as /proc shows them to this user.
	Holders(node string) []string
	// Group is the group that the node belongs to, "" if it cannot be told.
	Group(node string) string
	// USBDevice finds the USB device that the node belongs to: ErrNotUSB if it belongs to none.
	USBDevice(node string) (USBDevice, error)
	// ResetUSB resets a USB device by its node under /dev/bus/usb.
	ResetUSB(path string) error
	// Watch begins to watch for nodes that come, go, or change their owner.
	Watch() (NodeWatch, error)
	// Now reads CLOCK_MONOTONIC.
	Now() time.Duration
}

// USBDevice is where a USB device is, and what it is.
type USBDevice struct {
	Path            string // /dev/bus/usb/BBB/DDD
	Vendor, Product string // four hexadecimal digits each
}

// NodeWatch is what the kernel has to say about nodes. All but Wake are called by one goroutine at a time.
type NodeWatch interface {
	// Wait returns when something has happened, or was woken.
	Wait() (woken bool, err error)
	// Wake ends the present Wait, or the next one. From any goroutine.
	Wake()
	Close() error
}

// Handle is one open file of a camera. All but Wake are called by one goroutine at a time.
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
	// Map maps a buffer for reading; Unmap takes exactly what Map gave.
	Map(offset, length uint32) ([]byte, error)
	Unmap([]byte) error
	// Poll waits until there is something to dequeue, an error, a Wake or the end of wait (below 0: no end).
	Poll(wait time.Duration) (Events, error)
	// Wake ends the present Poll, or the next one. From any goroutine, also after Close.
	Wake()
	Close() error
}

// Prober is what is used of the webcam package: the method set of *webcam.Webcam, so that its answers, also the wrong
// ones, pass through this package's logic in the tests.
type Prober interface {
	GetSupportedFormats() map[webcam.PixelFormat]string
	GetSupportedFrameSizes(webcam.PixelFormat) []webcam.FrameSize
	Close() error
}

// Events is what Poll saw; none at all means that the time has passed.
type Events uint8

const (
	EventReady  Events = 1 << iota // POLLIN: a buffer can be dequeued
	EventError                     // POLLERR: the stream has failed, or the camera is gone
	EventHangup                    // POLLHUP, POLLNVAL: the camera is gone
	EventWake                      // Wake was called
)
