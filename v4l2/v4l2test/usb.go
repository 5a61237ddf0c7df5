package v4l2test

import (
	"fmt"

	"golang.org/x/sys/unix"

	"vchat/v4l2"
)

// USBDevice returns /dev/bus/usb/001/N, where N is the node's number plus one.
func (k *Kernel) USBDevice(node string) (v4l2.USBDevice, error) {
	n, err := k.lookup(node)
	if err != nil {
		return v4l2.USBDevice{}, err
	}
	if n.cam.device.NotUSB {
		return v4l2.USBDevice{}, v4l2.ErrNotUSB
	}
	return v4l2.USBDevice{Path: n.usb(), Vendor: "1d6b", Product: "0102"}, nil
}

func (n *node) usb() string { return fmt.Sprintf("/dev/bus/usb/001/%03d", n.number+1) }

// ResetUSB unplugs and replugs the camera, as the kernel does: uvcvideo does
// not survive a reset.
func (k *Kernel) ResetUSB(path string) error {
	cam, err := k.reset(path)
	if err == nil {
		cam.Replug()
	}
	return err
}

func (k *Kernel) reset(path string) (*Camera, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, n := range k.nodes {
		if n.gone || n.usb() != path {
			continue
		}
		if f := &n.cam.faults; f.Reset != nil {
			return nil, f.Reset
		} else if f.ResetHeals {
			f.Freeze = false
		}
		k.counts.Resets++
		n.remove()
		return n.cam, nil
	}
	return nil, unix.ENOENT
}
