package soak

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"vchat/daemon/vmtest/testframe"
)

// The size of the frames is small, so that many fit in a second.
const width, height = 160, 120

// cameraEnv is set for a process that is a camera: its number, frames a second,
// and the path of the file that controls it.
const cameraEnv = "VCHAT_SOAK_CAMERA"

// What the control file makes the camera do.
const (
	cameraWorks     = "works"
	cameraUnplugged = "unplugged" // it ends, also at its next starts
	cameraFrozen    = "frozen"    // it writes nothing
	cameraNoise     = "noise"     // it writes noise and halves of frames
)

// brokenCamera is the camera number in frames that are written incomplete.
const brokenCamera = 1 << 20

// epoch is when the sequence numbers of all cameras begin, on CLOCK_MONOTONIC.
// They count time, so that they continue after a restart of the camera.
const epoch = 0

func monotonic() int64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return t.Nano()
}

// runCamera writes frames to standard output until it fails.
func runCamera(env string) error {
	var number uint32
	var rate int64
	var control string
	if _, err := fmt.Sscan(env, &number, &rate, &control); err != nil {
		return err
	}
	var mode atomic.Value
	read := func() {
		b, err := os.ReadFile(control)
		if err == nil && string(b) == cameraUnplugged || os.IsNotExist(err) {
			os.Exit(1)
		}
		mode.Store(string(b))
	}
	read()
	go func() { // ends with the process
		for range time.Tick(20 * time.Millisecond) {
			read()
		}
	}()
	source := testframe.New(width, height)
	out := bufio.NewWriterSize(os.Stdout, 64<<10)
	period := int64(time.Second) / rate
	var b []byte
	for slot := monotonic() / period; ; {
		now := monotonic()
		slot = max(slot+1, now/period) // skip what is late
		time.Sleep(time.Duration(slot*period - now))
		st := testframe.Stamp{Camera: number, Sequence: uint32(slot - epoch), Time: monotonic()}
		switch mode.Load() {
		case cameraFrozen:
			continue
		case cameraNoise:
			st.Camera = brokenCamera
			b = source.Frame(b[:0], st)
			b = b[:rand.IntN(len(b))]
			for range 100 {
				b = append(b, byte(rand.IntN(0xff))) // no marker
			}
		default:
			b = source.Frame(b[:0], st)
		}
		_, err := out.Write(b)
		if err == nil {
			err = out.Flush()
		}
		if err != nil {
			return err
		}
	}
}
