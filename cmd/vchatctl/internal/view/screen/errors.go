package screen

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Errors of Open, for errors.Is.
var (
	ErrNoConsole  = errors.New("not a console of this machine; log in at its keyboard, or use --tty as root")
	ErrNoCard     = errors.New("no display device (no /dev/dri/card* with outputs)")
	ErrBusy       = errors.New("another program (X, Wayland) uses the screen")
	ErrPermission = errors.New("permission denied")

	errNoMonitor = errors.New("no monitor is connected")
)

// actionOpen is the action for which cardError has a hint.
const actionOpen = "open"

// cardError wraps the kernel's error for an action on a card. It keeps the
// errno.
func cardError(action string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errNoMonitor), errors.Is(err, ErrNoCard),
		errors.Is(err, ErrBusy), errors.Is(err, ErrPermission):
		return err
	case action == actionOpen && errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("screen: %w; join the group video (sudo usermod -aG video $USER), then log in again: %w",
			ErrPermission, err)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EBUSY):
		// drm_ioctl returns EACCES to all but the card's master, the first
		// process to open it.
		return fmt.Errorf("screen: %w: %s: %w", ErrBusy, action, err)
	}
	return fmt.Errorf("screen: %s: %w", action, err)
}

// reasonText returns why nothing is shown, in the user's terms. It is the same
// text for each action that finds the same reason.
func reasonText(err error) string {
	switch {
	case errors.Is(err, errNoMonitor):
		return errNoMonitor.Error()
	case errors.Is(err, ErrBusy):
		return ErrBusy.Error()
	}
	return err.Error()
}

// consoleError wraps the kernel's error for an action on the console.
func consoleError(action string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("console: %w; it is not your login terminal: %s: %w", ErrPermission, action, err)
	case errors.Is(err, unix.ENOTTY), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("%w: %s: %w", ErrNoConsole, action, err)
	}
	return fmt.Errorf("console: %s: %w", action, err)
}
