package v4l2

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestUSBDevice(t *testing.T) {
	sys := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	file := func(name, content string) {
		must(os.MkdirAll(filepath.Dir(filepath.Join(sys, name)), 0o700))
		must(os.WriteFile(filepath.Join(sys, name), []byte(content+"\n"), 0o600))
	}
	// node creates a node of the device at dir; of no device if dir is "".
	node := func(name, dir string) {
		own := filepath.Join(sys, "class/video4linux", name)
		must(os.MkdirAll(own, 0o700))
		if dir != "" {
			must(os.MkdirAll(filepath.Join(sys, dir), 0o700))
			must(os.Symlink(filepath.Join(sys, dir), filepath.Join(own, "device")))
		}
	}
	const port = "devices/pci0000:00/0000:00:14.0/usb1/1-1"
	file(port+"/busnum", "1")
	file(port+"/devnum", "24")
	file(port+"/idVendor", "046d")
	file(port+"/idProduct", "0825")
	file("devices/pci0000:00/0000:00:14.0/usb1/busnum", "1")
	file("devices/pci0000:00/0000:00:14.0/usb1/devnum", "1")
	node("video0", port+"/1-1:1.0")
	node("video1", port)
	node("video2", "devices/platform/vivid.0")
	node("video3", "")
	node("video4", "devices/pci0000:00/0000:00:1f.0")
	want := USBDevice{Path: "/dev/bus/usb/001/024", Vendor: "046d", Product: "0825"}
	for _, x := range []struct {
		node string
		want USBDevice
		err  error
	}{
		{"/dev/video0", want, nil},
		{"/dev/video1", want, nil},
		{"/dev/video2", USBDevice{}, ErrNotUSB},
		{"/dev/video3", USBDevice{}, ErrNotUSB},
		{"/dev/video4", USBDevice{}, ErrNotUSB},
		{"/dev/video5", USBDevice{}, os.ErrNotExist},
	} {
		t.Run(x.node, func(t *testing.T) {
			got, err := usbDevice(sys, x.node)
			if got != x.want || !errors.Is(err, x.err) {
				t.Errorf("got %+v, %v; want %+v, %v", got, err, x.want, x.err)
			}
		})
	}
}
