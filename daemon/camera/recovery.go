package camera

import (
	"cmp"
	"errors"
	"log/slog"
	"time"

	"vchat/v4l2"
)

// recovery records the steps tried since the camera was healthy. The package
// comment has the table of the steps.
type recovery struct {
	restarted  bool      // step 1, the stream
	reopened   bool      // step 2, the camera
	resets     int       // step 3, the USB device
	resetAt    time.Time // of the last reset
	resetErr   string    // of the last reset that failed
	slowStarts int       // opened, but no first frame in time
}

// Time between two USB resets. It doubles with each reset in vain.
const (
	minResetInterval = 10 * time.Second
	maxResetInterval = 10 * time.Minute
)

// restartStream is step 1. An error ends the source.
func (s *supervisor) restartStream(src source) error {
	reason := src.noFramesError()
	if s.recovery.restarted {
		return reason
	}
	s.recovery.restarted = true
	s.reportFault(reason)
	switch err := src.restart(); {
	case errors.Is(err, errors.ErrUnsupported):
		return reason
	case err != nil:
		return err
	}
	s.counters.countRestart()
	s.logStep(slog.LevelInfo, "camera stream restarted", "device", logDevice(src.info().device))
	return nil
}

// escalate takes step 2 or 3 after err. The camera is closed. Step 2 only logs:
// every retry reopens the camera.
func (s *supervisor) escalate(err error) {
	switch classify(err, nil) {
	case causeNoFrames, causeBrokenFrames, causeDriver:
	default:
		return
	}
	r := &s.recovery
	if !r.reopened {
		r.restarted, r.reopened = true, true
		s.logStep(slog.LevelInfo, "camera reopening", "device", s.logDevice())
		return
	}
	interval := min(minResetInterval<<min(r.resets, 10), maxResetInterval)
	if !s.cfg.USBReset || !s.cfg.isV4L2() || time.Since(r.resetAt) < interval || !s.wanted() {
		return
	}
	closed, ok := s.beginOpen() // Find opens the device, so privacy must wait for it
	if !ok {
		return
	}
	defer closed()
	r.resets, r.resetAt = r.resets+1, time.Now()
	device := cmp.Or(s.device, s.cfg.Device) // auto may select another camera by now
	done := make(chan error, 1)
	go func() {
		d, err := v4l2.Find(s.cfg.Kernel, device)
		if err == nil {
			err = v4l2.ResetUSB(s.cfg.Kernel, d)
		}
		done <- err
	}()
	if err := await(s, done); err != nil {
		if text := err.Error(); text != r.resetErr { // a device without the right fails every time
			r.resetErr = text
			s.logStep(slog.LevelWarn, "camera USB reset failed", "device", device, "err", err)
		}
		return
	}
	s.counters.countUSBReset()
	s.backoff = 0 // the camera returns soon
	s.logStep(slog.LevelInfo, "camera USB device reset", "device", device)
}
