package screen

import (
	"os"

	"golang.org/x/sys/unix"

	"vchat/cmd/vchatctl/internal/view/screen/internal/uapi"
)

// kernel is the part of Linux that finds and opens cards. Tests have a fake
// one.
type kernel interface {
	cards() ([]string, error) // paths, in order
	open(path string) (card, error)

	inputs() ([]string, error) // paths
	openInput(path string) (inputDevice, error)

	// hotplugs returns channels that receive when a monitor or an input device
	// may have been plugged in or out, until stop is called. They are nil if
	// the kernel sends no such events.
	hotplugs() (monitors, inputs <-chan struct{}, stop func())
}

// inputDevice is an open input device, with one method per ioctl. Errors are
// unix.Errno.
type inputDevice interface {
	capabilities() (capabilities, error)
	axis(code uint16) (uapi.AbsInfo, error)
	slots(code uint16, values []int32) error
	calibration() calibration
	read([]byte) (int, error) // blocks until an event or close
	close() error
}

// card is an open card, with one method per ioctl. Errors are unix.Errno. The
// caller holds the screen's lock, except for read.
type card interface {
	capability(uint64) (uint64, error)
	resources() (uapi.Resources, error)
	connector(id uint32) (uapi.Connector, error)
	encoder(id uint32) (uapi.Encoder, error)
	crtc(id uint32) (uapi.CRTC, error)
	setCRTC(c uapi.CRTC, connectors []uint32) error
	addFB(*uapi.FB) error
	rmFB(id uint32) error
	flip(*uapi.PageFlip) error
	createDumb(*uapi.Dumb) error
	mapDumb(d *uapi.Dumb) ([]byte, error)
	unmap([]byte) error
	destroyDumb(handle uint32) error
	dropMaster() error

	read([]byte) (int, error) // blocks until an event or close
	close() error
}

// console is the virtual console that the screen replaces. Tests have a fake
// one. Errors are unix.Errno.
type console interface {
	active() (bool, error) // whether it is on the screen

	// switches receives releaseSignal when the screen must be given up, then
	// leave called; and acquireSignal when it is available, then enter called.
	switches() <-chan os.Signal
	leave() error // lets the kernel switch to another console
	enter() error // confirms the switch to this console

	read([]byte) (int, error) // blocks until a key or endReading
	endReading()
	close() error // restores the console
}

// Signals that the kernel sends for a switch of consoles (VT_SETMODE). The Go
// runtime uses neither.
const (
	releaseSignal = unix.SIGUSR1
	acquireSignal = unix.SIGUSR2
)
