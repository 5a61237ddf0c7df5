// Command uvcsim is a USB webcam made of software, driven by the kernel's own uvcvideo.
//
// It speaks the device side of USB/IP over a socket pair whose other end it hands to the kernel's vhci_hcd, as if a
// cable led there. No USB hardware, no gadget driver and no network take part. Run it twice, with other serial numbers
// and control sockets, and the machine has two cameras.
//
//	uvcsim run [-socket S] [-id N] [-serial S] [-product P]   plug the camera in and serve it until a signal comes
//	uvcsim ctl [-socket S] COMMAND                            command the running one
//
// Commands: plug, unplug, status (JSON), reset (no faults), fps N (0: as negotiated), and the faults, each on, off, N for
// every Nth frame, or N% of the frames:
//
//	freeze    it stays plugged in and goes silent        hang      the same until its USB device is reset
//	err       frames are flagged as broken             trunc     frames end half way
//	garbage   frames are full of wrong bytes           tiny      frames are too short for their size
//	small     frames are smaller than agreed           mixed     one of small, tiny, trunc and garbage
//	stall     it refuses to start a stream               notables  frames come without Huffman tables
//
//	            serve (reads USB/IP)            pump (one per started stream)
//	vhci_hcd ──────▶ control requests ─start─▶ paces frames, fills the driver's
//	         ──────▶ transfers ──────queue───▶ isochronous transfers, answers them ──▶ vhci_hcd
//
// Every frame carries a stamp (package frame) with a sequence number, which goes on over unplugging, and the time.
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
	id := flags.Uint("id", 1, "number of this camera in its frames")
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
