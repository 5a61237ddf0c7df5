package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// vhciDir belongs to the kernel's virtual host controller (module vhci-hcd),
// which has the ports for USB/IP devices.
const vhciDir = "/sys/devices/platform/vhci_hcd.0/"

var errNoPort = errors.New("no free USB port")

// attach attaches a device to a free high-speed port and returns the device's
// end of the connection.
func attach() (*os.File, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socketpair: %w", err)
	}
	defer unix.Close(pair[1]) // the kernel holds a reference
	// An isochronous transfer has up to 100 KB. Its write must not block.
	if err := unix.SetsockoptInt(pair[0], unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20); err != nil {
		unix.Close(pair[0])
		return nil, fmt.Errorf("SO_SNDBUF: %w", err)
	}
	if err := attachSocket(pair[1]); err != nil {
		unix.Close(pair[0])
		return nil, err
	}
	if err := unix.SetNonblock(pair[0], true); err != nil { // so that Close ends a Read
		unix.Close(pair[0])
		return nil, err
	}
	return os.NewFile(uintptr(pair[0]), "usbip"), nil
}

func attachSocket(fd int) error {
	const speedHigh = 3
	var err error
	// A port is in use for a moment after an unplug, and another camera may
	// take the free port first: retry.
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		var status []byte
		if status, err = os.ReadFile(vhciDir + "status"); err != nil {
			return fmt.Errorf("%w (modprobe vhci-hcd?)", err)
		}
		var port int
		if port, err = freePort(string(status)); err != nil {
			continue
		}
		device := 1<<16 | (port + 2) // bus and device number on the remote host: any, as there is none
		line := fmt.Sprintf("%d %d %d %d", port, fd, device, speedHigh)
		if err = os.WriteFile(vhciDir+"attach", []byte(line), 0); err == nil {
			return nil
		}
	}
	return fmt.Errorf("attach: %w", err)
}

// freePort returns a high-speed port with status 004, not in use. The error is
// errNoPort.
func freePort(table string) (int, error) {
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) > 2 && f[0] == "hs" && f[2] == "004" {
			return strconv.Atoi(f[1])
		}
	}
	return 0, errNoPort
}
