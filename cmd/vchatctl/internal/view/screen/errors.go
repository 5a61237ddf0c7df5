package screen

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Why there is no screen, to be tested with errors.Is.
var (
	ErrNoConsole  = errors.New("this is not a console of this machine: log in at its own keyboard, or name one with --tty, as root")
	ErrNoCard     = errors.New("this machine has no display that can be painted on (no /dev/dri/card* with outputs)")
	ErrBusy       = errors.New("another program (X, Wayland) has the screen")
	ErrPermission = errors.New("not permitted")

	errNoMonitor = errors.New("no monitor is connected")
)

// classify says what an error of the kernel about a card means. The errno stays in it.
func classify(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errNoMonitor), errors.Is(err, ErrNoCard), errors.Is(err, ErrBusy), errors.Is(err, ErrPermission):
		return err
	case doing == opening && (errors.Is(err, fs.ErrPermission)):
		return fmt.Errorf("the screen: %w: join the group video (sudo adduser $USER video) and log in again: %w", ErrPermission, err)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EBUSY):
		// drm_ioctl answers EACCES to whoever is not the card's master; the first who opens it becomes that.
		return fmt.Errorf("the screen: %w: %s: %w", ErrBusy, doing, err)
	}
	return fmt.Errorf("the screen: %s: %w", doing, err)
}

// opening is what classify is to know of.
const opening = "opening"

// reason says in words for a user why nothing is shown. Whatever was being done, it is the same reason.
func reason(err error) string {
	switch {
	case errors.Is(err, errNoMonitor):
		return errNoMonitor.Error() + ": plug one in"
	case errors.Is(err, ErrBusy):
		return ErrBusy.Error()
	}
	return err.Error()
}

// ofConsole is classify for the console.
func ofConsole(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("the console: %w: it is not the terminal that you are logged in on: %s: %w", ErrPermission, doing, err)
	case errors.Is(err, unix.ENOTTY), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("%w: %s: %w", ErrNoConsole, doing, err)
	}
	return fmt.Errorf("the console: %s: %w", doing, err)
}
