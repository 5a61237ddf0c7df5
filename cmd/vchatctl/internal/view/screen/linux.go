package screen

import (
	"bytes"
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"vchat/cmd/vchatctl/internal/view/screen/internal/uapi"
)

// linux implements kernel with the kernel of this machine.
type linux struct{}

func (linux) cards() ([]string, error) {
	paths, err := filepath.Glob("/dev/dri/card*")
	// card9 before card10.
	slices.SortFunc(paths, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	return paths, err
}

func (linux) open(path string) (card, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return &linuxCard{fd, os.NewFile(uintptr(fd), path)}, nil
}

// hotplugs receives uevents from the kernel, so that it needs no udev.
func (linux) hotplugs() (<-chan struct{}, <-chan struct{}, func()) {
	const kernelGroup = 1 // multicast group of the kernel; 2 is that of udev
	const socketType = unix.SOCK_DGRAM | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
	fd, err := unix.Socket(unix.AF_NETLINK, socketType, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, nil, func() {}
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: kernelGroup}); err != nil {
		unix.Close(fd)
		return nil, nil, func() {}
	}
	socket := os.NewFile(uintptr(fd), "uevents")
	monitors, inputs := make(chan struct{}, 1), make(chan struct{}, 1)
	var reading sync.WaitGroup
	reading.Go(func() {
		buf := make([]byte, 8<<10)
		for {
			n, err := socket.Read(buf)
			lost := errors.Is(err, unix.ENOBUFS) // the socket buffer has overflowed
			if err != nil && !lost {
				return
			}
			if lost || bytes.Contains(buf[:n], []byte("\x00SUBSYSTEM=drm\x00")) {
				wake(monitors)
			}
			if lost || bytes.Contains(buf[:n], []byte("\x00SUBSYSTEM=input\x00")) {
				wake(inputs)
			}
		}
	})
	return monitors, inputs, func() {
		socket.Close()
		reading.Wait()
	}
}

// linuxCard implements card. Reads use the runtime's poller; ioctls use the
// descriptor.
type linuxCard struct {
	fd   int
	file *os.File
}

func (c *linuxCard) capability(n uint64) (uint64, error)        { return uapi.Cap(c.fd, n) }
func (c *linuxCard) resources() (uapi.Resources, error)         { return uapi.GetResources(c.fd) }
func (c *linuxCard) connector(n uint32) (uapi.Connector, error) { return uapi.GetConnector(c.fd, n) }
func (c *linuxCard) encoder(n uint32) (uapi.Encoder, error)     { return uapi.GetEncoder(c.fd, n) }
func (c *linuxCard) crtc(n uint32) (uapi.CRTC, error)           { return uapi.GetCRTC(c.fd, n) }
func (c *linuxCard) setCRTC(s uapi.CRTC, to []uint32) error     { return uapi.SetCRTC(c.fd, s, to) }
func (c *linuxCard) addFB(f *uapi.FB) error                     { return uapi.AddFB(c.fd, f) }
func (c *linuxCard) rmFB(n uint32) error                        { return uapi.RmFB(c.fd, n) }
func (c *linuxCard) flip(p *uapi.PageFlip) error                { return uapi.Flip(c.fd, p) }
func (c *linuxCard) createDumb(d *uapi.Dumb) error              { return uapi.CreateDumb(c.fd, d) }
func (c *linuxCard) destroyDumb(n uint32) error                 { return uapi.DestroyDumb(c.fd, n) }
func (c *linuxCard) dropMaster() error                          { return uapi.DropMaster(c.fd) }
func (c *linuxCard) unmap(b []byte) error                       { return unix.Munmap(b) }
func (c *linuxCard) read(b []byte) (int, error)                 { return c.file.Read(b) }
func (c *linuxCard) close() error                               { return c.file.Close() }

func (c *linuxCard) mapDumb(d *uapi.Dumb) ([]byte, error) {
	offset, err := uapi.MapDumb(c.fd, d.Handle)
	if err != nil {
		return nil, err
	}
	return unix.Mmap(c.fd, int64(offset), int(d.Size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}
