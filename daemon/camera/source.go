package camera

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"vchat/daemon/frame"
)

// source is an open camera of some kind. Only the supervisor uses it, except
// for wake.
type source interface {
	// info describes what was opened.
	info() sourceInfo
	// next waits for the next complete frame, at most for wait, which is more
	// than 0. Its Seq counts the frames of this source; a gap is a lost frame.
	// Errors: errTimeout, errWoken, or what ended the source.
	next(wait time.Duration) (*frame.Frame, error)
	// noFramesError returns why next had no frame for so long.
	noFramesError() error
	// restart restarts the stream of an open camera. It returns
	// errors.ErrUnsupported if the source cannot, or why it failed.
	restart() error
	// lowRateReason returns why the frame rate is lower than promised, or "".
	lowRateReason() string
	// wake makes the present or the following next return errWoken. It is safe
	// for concurrent use.
	wake()
	// close returns when the source runs nothing and holds nothing open.
	close()
}

// sourceInfo describes an open source. Values that are 0 or "" are known with
// the first frame.
type sourceInfo struct {
	device        string  // for the user
	format        string  // mjpeg, yuyv, nv12 or grey
	width, height int     // pixels
	fps           float64 // promised
	reduced       bool    // only a smaller size than the negotiated one started
	warnings      []error
}

// sourceEnv is what a source is opened with.
type sourceEnv struct {
	cfg      Config
	log      *slog.Logger
	pool     *frame.Pool
	counters *counters
	messages *messageLog             // of exec sources; nil in tests
	patterns *patternCache           // of the test camera
	warn     func(warningID, string) // see supervisor.warn; nil in tests
}

// setWarning sets or withdraws a warning about the open source. It is called
// for each frame.
func (e *sourceEnv) setWarning(id warningID, text string) {
	if e.warn != nil {
		e.warn(id, text)
	}
}

// sizeOK reports whether the protocol and viewers accept frames of this size.
func sizeOK(width, height int) bool {
	return width >= 1 && height >= 1 && width <= maxSide && height <= maxSide
}

// isV4L2 reports whether the device is a V4L2 device node.
func (c Config) isV4L2() bool { return c.Device == "auto" || strings.HasPrefix(c.Device, "/") }

// open opens the source that Config.Device names.
func (e sourceEnv) open() (source, error) {
	kind, rest, _ := strings.Cut(e.cfg.Device, ":")
	switch {
	case e.cfg.Device == "test":
		return openPattern(e), nil
	case kind == "file":
		return openFile(e, rest)
	case kind == "exec":
		return openExec(e, rest)
	case e.cfg.isV4L2():
		return openV4L2(e)
	}
	return nil, fmt.Errorf("unknown camera %q: %w", e.cfg.Device, errUnknownDevice)
}

// commandDevice is a camera command in the log.
const commandDevice = "exec"

// logDevice returns a device for the log. It hides the command of an exec
// source, which may contain a password.
func logDevice(device string) string {
	if strings.HasPrefix(device, "exec:") {
		return commandDevice
	}
	return device
}
