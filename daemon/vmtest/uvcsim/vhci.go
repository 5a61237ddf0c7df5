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

// vhciDir is the kernel's virtual host controller (module vhci-hcd): the ports that a USB/IP device can be attached to.
const vhciDir = "/sys/devices/platform/vhci_hcd.0/"

var errNoPort = errors.New("no free USB port")

// attach plugs a device into a free high-speed port and returns our end of its cable.
func attach() (*os.File, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socketpair: %w", err)
	}
	defer unix.Close(pair[1]) // the kernel takes a reference of its own
	// One isochronous transfer is up to 100 KB; writing it must not wait until the kernel has read it.
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
	// A port just unplugged is busy for a moment, and another camera may take the free port that we saw.
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		var status []byte
		if status, err = os.ReadFile(vhciDir + "status"); err != nil {
			return fmt.Errorf("%w (modprobe vhci-hcd?)", err)
		}
		var port int
		if port, err = freePort(string(status)); err != nil {
			continue
		}
		device := 1<<16 | (port + 2) // bus and device number on the far side, where there is none: any will do
		line := fmt.Sprintf("%d %d %d %d", port, fd, device, speedHigh)
		if err = os.WriteFile(vhciDir+"attach", []byte(line), 0); err == nil {
			return nil
		}
	}
	return fmt.Errorf("attach: %w", err)
}

// freePort finds a high-speed port of which the status table says "004", not in use.
func freePort(table string) (int, error) {
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) > 2 && f[0] == "hs" && f[2] == "004" {
			return strconv.Atoi(f[1])
		}
	}
	return 0, errNoPort
}
