package uapi

// usbdevfsReset is USBDEVFS_RESET of linux/usbdevice_fs.h.
const usbdevfsReset = 'U'<<8 | 20

// ResetUSB resets the USB device of an open node under /dev/bus/usb
// (USBDEVFS_RESET).
func ResetUSB(fd int) error { return ioctl(fd, usbdevfsReset, nil) }
