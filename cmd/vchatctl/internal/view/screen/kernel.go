package screen

import (
	"os"

	"golang.org/x/sys/unix"

	"vchat/cmd/vchatctl/internal/view/screen/internal/uapi"
)

// kernel is what is asked of Linux about cards; tests pretend to be it.
type kernel interface {
	cards() ([]string, error) // paths, in order
	open(path string) (card, error)

	// hotplugs receives a value when a monitor may have come or gone, until stop is called; nil if that cannot be known.
	hotplugs() (c <-chan struct{}, stop func())
}

// card is an open file of a card, one method for each question of the kernel. Errors are the kernel's own. All but read
// are called with the screen locked.
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

	read([]byte) (int, error) // waits for events; it ends with close
	close() error
}

// console is the virtual console that the frames are shown in place of; tests pretend to be it. Errors are the kernel's
// own.
type console interface {
	active() (bool, error)      // it is the one on the screen
	switches() <-chan os.Signal // releaseSignal: give up the screen and call leave; acquireSignal: it is ours again, call enter
	leave() error               // lets the kernel switch away
	enter() error               // takes the switch to here
	read([]byte) (int, error)   // waits for what is typed, until endReading
	endReading()                //
	close() error               // gives the console back
}

// The kernel sends them for a switch of consoles. The Go runtime has no use of its own for either.
const (
	releaseSignal = unix.SIGUSR1
	acquireSignal = unix.SIGUSR2
)
