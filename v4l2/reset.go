package v4l2

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"vchat/v4l2/internal/uapi"
)

// ResetUSB resets the USB device that the camera belongs to: as after pulling it out and plugging it in, its nodes go and come back.
// Close the Camera first, or the node comes back under another number. It may take seconds.
//
// The errors: ErrNotUSB; ErrPermission, which says what is missing; ErrNotFound, ErrUnplugged, ErrBusy, ErrFailed.
func ResetUSB(k Kernel, device Device) error {
	k = orLinux(k)
	// The node may be another camera's by now; the name under which the device was found is more faithful.
	node, err := k.Resolve(device.Path)
	if err != nil {
		return diagnose(k, device, "find", err)
	}
	usb, err := k.USBDevice(node)
	if errors.Is(err, ErrNotUSB) {
		return &fault{device: device.Path, kind: ErrNotUSB, says: "this is no USB camera, and cannot be reset"}
	}
	if err != nil {
		return diagnose(k, device, "find the USB device", err)
	}
	err = k.ResetUSB(usb.Path)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return &fault{device: device.Path, kind: ErrPermission, says: usb.permit(cmp.Or(k.Group(node), "video"), err), doing: "open " + usb.Path, errno: err}
	}
	if err != nil {
		return diagnose(k, device, "USBDEVFS_RESET", err)
	}
	return nil
}

// permit says how a reset becomes possible.
func (u USBDevice) permit(group string, errno error) string {
	if errors.Is(errno, unix.EPERM) { // not by the mode of the file, but by a cgroup
		return fmt.Sprintf("a reset of the camera opens %s; the systemd unit has to permit it: DeviceAllow=char-usb_device rw", u.Path)
	}
	return fmt.Sprintf("a reset of the camera opens %s, which this user may not; a udev rule permits it to the group %q: "+
		`SUBSYSTEM=="usb", ATTR{idVendor}=="%s", ATTR{idProduct}=="%s", GROUP="%s", MODE="0660"`, u.Path, group, u.Vendor, u.Product, group)
}

func (linux) USBDevice(node string) (USBDevice, error) { return usbDevice("/sys", node) }

// usbDevice follows the node's device in sysfs, which is an interface of the USB device, or itself one.
func usbDevice(sys, node string) (USBDevice, error) {
	dir, err := filepath.EvalSymlinks(filepath.Join(sys, "class/video4linux", filepath.Base(node), "device"))
	if errors.Is(err, os.ErrNotExist) {
		if _, gone := os.Stat(filepath.Join(sys, "class/video4linux", filepath.Base(node))); gone != nil {
			return USBDevice{}, gone
		}
		return USBDevice{}, ErrNotUSB // made by software: it belongs to no device
	}
	if err != nil {
		return USBDevice{}, err
	}
	for _, d := range []string{dir, filepath.Dir(dir)} {
		bus, err1 := strconv.ParseUint(attribute(d, "busnum"), 10, 16)
		number, err2 := strconv.ParseUint(attribute(d, "devnum"), 10, 16)
		if err1 == nil && err2 == nil {
			return USBDevice{
				Path:    fmt.Sprintf("/dev/bus/usb/%03d/%03d", bus, number),
				Vendor:  attribute(d, "idVendor"),
				Product: attribute(d, "idProduct"),
			}, nil
		}
	}
	return USBDevice{}, ErrNotUSB
}

// attribute is a file of sysfs, "" if there is none.
func attribute(dir, name string) string {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return text([]byte(strings.TrimSpace(string(b))))
}

func (linux) ResetUSB(path string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	for err == unix.EINTR {
		fd, err = unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return err
	}
	return errors.Join(uapi.ResetUSB(fd), unix.Close(fd))
}
