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

// ResetUSB resets the USB device of the camera. Its nodes disappear and come
// back, as after a replug. Close the Camera first, or the node comes back under
// another number. ResetUSB may block for seconds.
//
// Errors: ErrNotUSB; ErrPermission with the missing udev rule or unit setting;
// ErrNotFound, ErrUnplugged, ErrBusy, ErrFailed.
func ResetUSB(k Kernel, device Device) error {
	k = orLinux(k)
	// device.Node may belong to another camera by now, so resolve the path
	// again.
	node, err := k.Resolve(device.Path)
	if err != nil {
		return diagnose(k, device, "find", err)
	}
	usb, err := k.USBDevice(node)
	if errors.Is(err, ErrNotUSB) {
		return &cameraError{device: device.Path, kind: ErrNotUSB, message: "not a USB camera: it cannot be reset"}
	}
	if err != nil {
		return diagnose(k, device, "find the USB device", err)
	}
	err = k.ResetUSB(usb.Path)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return &cameraError{device: device.Path, kind: ErrPermission, op: "open " + usb.Path, errno: err,
			message: usb.permissionHint(cmp.Or(k.Group(node), "video"), err)}
	}
	if err != nil {
		return diagnose(k, device, "USBDEVFS_RESET", err)
	}
	return nil
}

// permissionHint returns what the user has to change to permit a reset.
func (u USBDevice) permissionHint(group string, errno error) string {
	if errors.Is(errno, unix.EPERM) { // from the device cgroup, not from the mode of the file
		return fmt.Sprintf("no permission to reset the camera by %s; "+
			"add to the systemd unit: DeviceAllow=char-usb_device rw", u.Path)
	}
	return fmt.Sprintf("no permission to reset the camera by %s; add a udev rule for the group %q: "+
		`SUBSYSTEM=="usb", ATTR{idVendor}=="%s", ATTR{idProduct}=="%s", GROUP="%s", MODE="0660"`,
		u.Path, group, u.Vendor, u.Product, group)
}

func (linux) USBDevice(node string) (USBDevice, error) { return usbDevice("/sys", node) }

// usbDevice follows the node's device link in sysfs. It leads to the USB device
// or to one of its interfaces.
func usbDevice(sys, node string) (USBDevice, error) {
	dir, err := filepath.EvalSymlinks(filepath.Join(sys, "class/video4linux", filepath.Base(node), "device"))
	if errors.Is(err, os.ErrNotExist) {
		if _, gone := os.Stat(filepath.Join(sys, "class/video4linux", filepath.Base(node))); gone != nil {
			return USBDevice{}, gone
		}
		return USBDevice{}, ErrNotUSB // a virtual node without a device
	}
	if err != nil {
		return USBDevice{}, err
	}
	for _, d := range []string{dir, filepath.Dir(dir)} {
		bus, err1 := strconv.ParseUint(sysfsAttribute(d, "busnum"), 10, 16)
		number, err2 := strconv.ParseUint(sysfsAttribute(d, "devnum"), 10, 16)
		if err1 == nil && err2 == nil {
			return USBDevice{
				Path:    fmt.Sprintf("/dev/bus/usb/%03d/%03d", bus, number),
				Vendor:  sysfsAttribute(d, "idVendor"),
				Product: sysfsAttribute(d, "idProduct"),
			}, nil
		}
	}
	return USBDevice{}, ErrNotUSB
}

// sysfsAttribute returns the text of a sysfs file; "" if it cannot be read.
func sysfsAttribute(dir, name string) string {
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
