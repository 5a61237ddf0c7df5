package camera

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"vchat/daemon/frame"
)

// stream is an open camera of some kind. All but wake are for the supervisor alone.
type stream interface {
	// about says what was opened.
	about() about
	// next waits for the next good frame, at most for wait, which is above 0. Its Seq counts the stream's own frames
	// upwards; a gap is a lost one. Errors: errTimeout, errWoken, or what ended the stream.
	next(wait time.Duration) (*frame.Frame, error)
	// silence says, as an error, why next has found nothing for so long.
	silence() error
	// restart is the gentle way out of a silence. An error means that only reopening is left: errors.ErrUnsupported if
	// there is no such way, any other says what is wrong.
	restart() error
	// whySlow says why frames come at a lower rate than promised; "": there is no telling.
	whySlow() string
	// wake makes the present next, or the next one, return errWoken. From any goroutine.
	wake()
	// close returns when nothing of the stream runs or is open any more.
	close()
}

// about is what an open camera says of itself. What is 0 or "" shows only with its first frame.
type about struct {
	device        string // to show
	format        string // mjpeg, yuyv, nv12 or grey
	width, height int    // pixels
	fps           float64
	warnings      []error
}

// source is how a camera is opened.
type source struct {
	cfg      Config
	log      *slog.Logger
	pool     *frame.Pool
	counters *counters
}

// isV4L2 says whether the camera is a node of the kernel's.
func (c Config) isV4L2() bool { return c.Device == "auto" || strings.HasPrefix(c.Device, "/") }

// open opens what Device names.
func (s source) open() (stream, error) {
	kind, rest, _ := strings.Cut(s.cfg.Device, ":")
	switch {
	case s.cfg.Device == "test":
		return openPattern(s), nil
	case kind == "file":
		return openFile(s, rest)
	case kind == "exec":
		return openCommand(s, rest)
	case s.cfg.isV4L2():
		return openDevice(s)
	}
	return nil, fmt.Errorf("unknown camera %q: %w", s.cfg.Device, errUnknown)
}
