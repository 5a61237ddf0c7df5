// Command uvcsim emulates a USB webcam for the kernel's uvcvideo driver.
//
// It speaks the device side of USB/IP over a socket pair. The other end belongs
// to the kernel's vhci_hcd. It needs no USB hardware, no gadget driver and no
// network. Two instances, with different serial numbers and control sockets,
// are two cameras.
//
//	uvcsim run [-socket S] [-id N] [-serial S] [-product P]
//		plugs the camera in and serves it until a signal
//	uvcsim ctl [-socket S] COMMAND
//		sends a command to a running camera
//
// The commands are plug, unplug, status (prints JSON), reset (all faults off),
// fps N (0: as negotiated), and a fault with on, off, N (every Nth frame) or N%
// (of the frames):
//
//	freeze    no frames; the camera stays plugged in
//	hang      the same until a reset of the USB device
//	stall     starting a stream fails
//	err       frames are flagged as broken
//	trunc     half of the frame is missing
//	garbage   frames contain wrong bytes
//	tiny      frames have almost no coded data
//	small     frames are smaller than negotiated
//	mixed     one of small, tiny, trunc and garbage
//	notables  frames have no Huffman tables
//
//	           serve (reads USB/IP)          pump (one per started stream)
//	vhci_hcd ────▶ control requests ─start─▶ paces frames, fills the driver's
//	         ────▶ transfers ──────queue───▶ isochronous transfers ─▶ vhci_hcd
//
// Every frame has a stamp (package testframe) with its sequence number and
// time. The sequence continues after an unplug.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "uvcsim:", err)
		if errors.Is(err, errUsage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: uvcsim run|ctl [flags] [COMMAND]")

func run(args []string, stdout io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	flags := flag.NewFlagSet("uvcsim", flag.ContinueOnError)
	socket := flags.String("socket", "/run/uvcsim.sock", "control socket")
	id := flags.Uint("id", 1, "number of the camera in its stamps")
	serial := flags.String("serial", "SIM0001", "USB serial number")
	product := flags.String("product", "UVC Simulator", "USB product name")
	if err := flags.Parse(args[1:]); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	switch args[0] {
	case "run":
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		return serveCamera(ctx, newCamera(uint32(*id), *product, *serial), *socket)
	case "ctl":
		return sendCommand(*socket, flags.Args(), stdout)
	}
	return errUsage
}
