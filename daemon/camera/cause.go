package camera

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"strings"
	"time"

	"vchat/daemon/sandbox"
	"vchat/v4l2"
)

// cause is why there are no frames. Each cause is one value, so that it is
// logged once.
type cause struct {
	name     string // in the log
	headline string // on the card, in large letters above the reason
	state    State
	routine  bool          // logged as info, not as a warning
	maxPause time.Duration // longest pause between two tries, if the kernel does not report new cameras
}

const (
	shortPause = 500 * time.Millisecond // a user is plugging the camera in and waits for it
	longPause  = 2 * time.Second
)

// The causes: name, headline, state, routine, longest pause.
var (
	causePrivacy      = &cause{"privacy", "Camera turned off", Idle, true, longPause}
	causeStarting     = &cause{"starting", "Camera is starting", Opening, true, longPause}
	causeUnplugged    = &cause{"unplugged", "Camera unplugged", Lost, true, shortPause}
	causeNotFound     = &cause{"not found", "No camera found", Lost, true, shortPause}
	causeInUse        = &cause{"in use", "Camera in use", Lost, false, longPause}
	causeNoPermission = &cause{"no permission", "No permission for the camera", Failed, false, longPause}
	causeNoBandwidth  = &cause{"no USB bandwidth", "Not enough USB bandwidth", Lost, false, longPause}
	causeNoFormat     = &cause{"no usable format", "No usable camera format", Failed, false, longPause}
	causeNotCamera    = &cause{"not a camera", "Not a camera", Failed, false, longPause}
	causeNoFrames     = &cause{"no frames", "No picture from the camera", Lost, false, longPause}
	causeBrokenFrames = &cause{"broken frames", "Camera sends broken frames", Lost, false, longPause}
	causeFile         = &cause{"file not playable", "Cannot play the file", Failed, false, longPause}
	causeCommand      = &cause{"command stopped", "Camera command stopped", Lost, false, longPause}
	causeNoSandbox    = &cause{"command not isolated", "Camera command not started", Failed, false, longPause}
	causeDriver       = &cause{"driver error", "Camera does not work", Lost, false, longPause}
)

// Errors of the sources. Those of V4L2 are in package v4l2.
var (
	errTimeout       = errors.New("no frame in time")
	errWoken         = errors.New("woken while waiting for a frame")
	errNoFrames      = errors.New("the camera sends no frames")
	errBrokenFrames  = errors.New("the camera sends only broken frames")
	errNoJPEG        = errors.New("no JPEG frame found")
	errBrokenFile    = errors.New("only broken frames found")
	errCommand       = errors.New("the camera command stopped")
	errUnknownDevice = errors.New("must be auto, /dev/…, test, file:PATH or exec:COMMAND")
)

// classify returns the cause of an error. All errors that keep frames away pass
// through it. before is the cause of the outage so far, or nil.
//
// Package v4l2 maps the errno of a system call to one of its errors, and
// classify maps that to a cause. The card shows the headline of the cause, and
// the text of err below it. Status and log show the text, too.
func classify(err error, before *cause) *cause {
	switch {
	case errors.Is(err, v4l2.ErrUnplugged): // ENODEV, ENXIO, lasting EIO: the device was removed, or it crashed
		return causeUnplugged
	case errors.Is(err, v4l2.ErrNotFound): // ENOENT, ENOTDIR, ELOOP: no such path; or no camera for auto
		if before == causeUnplugged { // its node is gone, but the cause is the same
			return causeUnplugged
		}
		return causeNotFound
	case errors.Is(err, v4l2.ErrNotReady): // EACCES, and the node is new: udev has not set its group yet
		return causeStarting
	case errors.Is(err, v4l2.ErrBusy): // EBUSY: another program streams
		return causeInUse
	case errors.Is(err, v4l2.ErrPermission): // EACCES, EPERM: the user is not in the group video
		return causeNoPermission
	case errors.Is(err, v4l2.ErrNoSpace): // ENOSPC: no USB bandwidth left for this format
		return causeNoBandwidth
	case errors.Is(err, v4l2.ErrNoFormat): // the camera has no format that vchat supports
		return causeNoFormat
	case errors.Is(err, errNoFrames):
		return causeNoFrames
	case errors.Is(err, errBrokenFrames):
		return causeBrokenFrames
	case errors.Is(err, sandbox.ErrUnavailable): // EPERM: no vchat-camera.socket, and no namespaces for this user
		return causeNoSandbox
	case errors.Is(err, errCommand): // before errNoJPEG, which it may wrap
		return causeCommand
	case errors.Is(err, errNoJPEG), errors.Is(err, errBrokenFile), isPathError(err): // of file:PATH
		return causeFile
	case errors.Is(err, errUnknownDevice),
		v4l2.Classify(err) == v4l2.Fatal: // ENOTTY, EISDIR, ENOSYS: not a V4L2 capture device
		return causeNotCamera
	}
	return causeDriver // any other errno, such as EIO of an ioctl
}

// explain returns an error for people: the card and the status show it, beside
// the name of the camera. The log has the errno, too.
func explain(err error) string {
	var p *fs.PathError
	switch text := v4l2.Message(err); {
	case text != "":
		return text
	case errors.As(err, &p) && errors.Is(err, fs.ErrNotExist):
		return "there is no file " + p.Path
	case errors.As(err, &p) && errors.Is(err, fs.ErrPermission):
		return "vchatd may not read the file " + p.Path
	}
	return err.Error()
}

func isPathError(err error) bool {
	var p *fs.PathError
	return errors.As(err, &p)
}

// pause returns the time to wait after so many failed tries: 100 ms, doubled
// with each try, with 25 % jitter. watched reports whether the kernel reports
// new cameras. Then, the limit is longPause.
func (c *cause) pause(tries int, watched bool) time.Duration {
	limit := c.maxPause
	if watched {
		limit = longPause
	}
	d := min(100*time.Millisecond<<min(tries, 10), limit)
	d = d*3/4 + time.Duration(rand.Int64N(int64(d)/2))
	return min(d, limit)
}

// Text returns an error of this package for people: with the camera, but
// without the system call and its errno.
func Text(err error) string {
	text, m := err.Error(), v4l2.Message(err)
	if before, _, found := strings.Cut(text, m); found && m != "" {
		return before + m
	}
	return text
}
