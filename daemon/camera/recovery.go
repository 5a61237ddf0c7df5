package camera

import (
	"cmp"
	"errors"
	"time"

	"vchat/v4l2"
)

// recovery is how far a camera that is silent, or that the driver cannot talk to, has been helped since it was healthy.
type recovery struct {
	restarted bool      // its stream
	reopened  bool      //
	resets    int       // of its USB device
	resetAt   time.Time // the last one
}

const (
	// firstReset is the least time between two resets; each one in vain doubles it, up to rarestReset.
	firstReset  = 10 * time.Second
	rarestReset = 10 * time.Minute
)

// restart is the first step. What it returns ends the stream.
func (k *supervisor) restart(s stream) error {
	why := s.silence()
	if k.recovery.restarted {
		return why
	}
	k.recovery.restarted = true
	k.fault(why)
	switch err := s.restart(); {
	case errors.Is(err, errors.ErrUnsupported):
		return why
	case err != nil:
		return err
	}
	k.counters.restart()
	k.log.Info("camera's stream restarted", "device", s.about().device)
	return nil
}

// escalate does the last step if the one before it, to reopen, was in vain. The camera is closed.
func (k *supervisor) escalate(err error) {
	switch causeOf(err, nil) {
	case silent, broken, faulty:
	default:
		return
	}
	l := &k.recovery
	if !l.reopened {
		l.restarted, l.reopened = true, true
		k.log.Info("camera is closed, to be opened anew")
		return
	}
	if !k.cfg.USBReset || !k.cfg.isV4L2() || time.Since(l.resetAt) < min(firstReset<<min(l.resets, 10), rarestReset) || !k.wanted() {
		return
	}
	closed, ok := k.admit() // to find it opens it, which privacy has to wait for
	if !ok {
		return
	}
	defer closed()
	l.resets, l.resetAt = l.resets+1, time.Now()
	device := cmp.Or(k.device, k.cfg.Device) // auto may mean another one by now, which is well
	done := make(chan error, 1)
	go func() {
		d, err := v4l2.Find(k.cfg.Kernel, device)
		if err == nil {
			err = v4l2.ResetUSB(k.cfg.Kernel, d)
		}
		done <- err
	}()
	if err := await(k, done); err != nil {
		k.log.Warn("camera could not be reset", "err", err)
		return
	}
	k.counters.reset()
	k.step = 0 // it comes back soon
	k.log.Info("camera's USB device was reset", "device", device)
}
