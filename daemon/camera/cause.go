package camera

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"time"

	"vchat/v4l2"
)

// cause is what keeps frames away. It is what is logged once and what a card says.
type cause struct {
	headline string // in large letters on the card, above the reason in full
	state    State
	quiet    bool          // happens in daily life: not a warning
	most     time.Duration // the longest pause between two tries
}

const (
	soon = 500 * time.Millisecond // for what comes back by a hand that waits for it, and of which nothing tells
	slow = 2 * time.Second
)

var (
	hidden   = &cause{"Privacy", Idle, true, slow}
	starting = &cause{"Camera is starting", Opening, true, slow}
	unplug   = &cause{"Camera unplugged", Lost, true, soon}
	missing  = &cause{"No camera found", Lost, true, soon}
	busy     = &cause{"Camera in use elsewhere", Lost, false, slow}
	denied   = &cause{"No permission for the camera", Failed, false, slow}
	noRoom   = &cause{"USB bus too busy for the camera", Lost, false, slow}
	noFormat = &cause{"Camera has no usable format", Failed, false, slow}
	noCamera = &cause{"This is not a camera", Failed, false, slow}
	silent   = &cause{"Camera sends no frames", Lost, false, slow}
	broken   = &cause{"Camera sends broken frames", Lost, false, slow}
	noFile   = &cause{"Cannot play the file", Failed, false, slow}
	stopped  = &cause{"Camera command has stopped", Lost, false, slow}
	faulty   = &cause{"Camera does not work", Lost, false, slow}
)

// Errors of the sources other than V4L2.
var (
	errTimeout = errors.New("no picture in time")
	errWoken   = errors.New("woken while waiting for a frame")
	errSilent  = errors.New("the camera sends no frames")
	errBroken  = errors.New("the camera sends broken frames only")
	errNoFrame = errors.New("there is no JPEG frame in it")
	errCommand = errors.New("the camera command has stopped")
	errEnded   = errors.New("it ended by itself, without an error")
	errUnknown = errors.New("it must be auto, /dev/…, test, file:PATH or exec:COMMAND")
)

// causeOf is the one place where an error becomes a cause. before is the cause of the outage so far, nil if there is none:
// a camera that was unplugged cannot be found either.
func causeOf(err error, before *cause) *cause {
	switch {
	case errors.Is(err, v4l2.ErrUnplugged):
		return unplug
	case errors.Is(err, v4l2.ErrNotFound):
		if before == unplug {
			return unplug
		}
		return missing
	case errors.Is(err, v4l2.ErrBusy):
		return busy
	case errors.Is(err, v4l2.ErrPermission):
		return denied
	case errors.Is(err, v4l2.ErrNoSpace):
		return noRoom
	case errors.Is(err, v4l2.ErrNoFormat):
		return noFormat
	case errors.Is(err, errSilent):
		return silent
	case errors.Is(err, errBroken):
		return broken
	case errors.Is(err, errCommand):
		return stopped
	case errors.Is(err, errNoFrame), isPathError(err):
		return noFile
	case errors.Is(err, errUnknown), v4l2.Classify(err) == v4l2.Fatal:
		return noCamera
	}
	return faulty
}

func isPathError(err error) bool {
	var p *fs.PathError
	return errors.As(err, &p)
}

// pauseAfter is how long to wait after so many failed tries: 100 ms doubled up to the cause's most, or to slow where the
// kernel tells of cameras that come; a quarter less or more by chance but never above it.
func (c *cause) pauseAfter(tries int, told bool) time.Duration {
	most := c.most
	if told {
		most = slow
	}
	d := min(100*time.Millisecond<<min(tries, 10), most)
	d = d*3/4 + time.Duration(rand.Int64N(int64(d)/2))
	return min(d, most)
}
