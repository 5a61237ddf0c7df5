package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/cmd/vchatctl/internal/view/screen"
	"vchat/cmd/vchatctl/internal/view/window"
	"vchat/daemon/api"
	"vchat/daemon/client"
)

// The exit codes. They are part of the interface: exitCodes documents them for the user.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNoDaemon    = 3
	exitPermission  = 4
	exitUnknown     = 5
	exitUnreachable = 6
	exitNotTaken    = 7
	exitIdentity    = 8
	exitCamera      = 9
	exitInterrupted = 130
)

const exitCodes = `Exit codes:
  0    done
  1    failed for another reason
  2    wrong usage
  3    the daemon cannot be reached
  4    not permitted
  5    no such peer, call or feed
  6    peer unreachable
  7    peer busy, declined, or did not answer
  8    peer's identity is not the known one
  9    camera unavailable
  130  interrupted`

var errInterrupted = errors.New("interrupted")

// usageError is an error of whoever typed the command.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// exitCode is the one place that decides what an error means.
func exitCode(err error) int {
	var refused *api.Error
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, syscall.EPIPE) && !errors.Is(err, client.ErrUnreachable): // the reader of our output has enough, not the daemon
		return exitDone
	case errors.Is(err, errInterrupted), errors.Is(err, view.ErrInterrupted), errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &usageError{}):
		return exitUsage
	case errors.As(err, &refused):
		return exitCodeOf(refused.Kind)
	case errors.Is(err, client.ErrPermission), errors.Is(err, screen.ErrPermission):
		return exitPermission
	case errors.Is(err, client.ErrUnreachable):
		return exitNoDaemon
	}
	return exitFailed
}

func exitCodeOf(k api.Kind) int {
	switch k {
	case api.NotPermitted:
		return exitPermission
	case api.NoSuchPeer, api.NoSuchCall, api.NoSuchFeed:
		return exitUnknown
	case api.PeerUnreachable:
		return exitUnreachable
	case api.PeerBusy, api.PeerDeclined, api.PeerNoAnswer:
		return exitNotTaken
	case api.PeerIdentity:
		return exitIdentity
	case api.NoSuchControl, api.BadValue:
		return exitUsage
	case api.CameraUnavailable, api.PrivacyOn:
		return exitCamera
	case api.ShuttingDown:
		return exitNoDaemon
	}
	return exitFailed
}

// hint is what can be done about an error of a command, or "".
func hint(command string, err error) string {
	var refused *api.Error
	switch {
	case errors.As(err, &refused):
		return refused.Hint
	case errors.Is(err, client.ErrPermission):
		return "join the group that owns the socket (sudo adduser $USER vchat) and log in again"
	case errors.Is(err, client.ErrUnreachable):
		return "is vchatd running? systemctl status vchatd says so; --socket names another socket"
	case errors.Is(err, window.ErrNoDisplay), errors.Is(err, window.ErrNoVisual):
		return "--to terminal needs no display; over ssh, ssh -X lends one"
	case errors.As(err, &usageError{}):
		return command + " --help shows how"
	}
	return ""
}

// finish tells the user of an error of a command and gives the exit code.
func (a *app) finish(command string, err error) int {
	if err != nil && !a.started && !errors.As(err, &usageError{}) {
		err = usageError{err} // cobra's own: it has not come to running anything
	}
	code := exitCode(err)
	if code != exitDone && code != exitInterrupted {
		// To an unknown command cobra adds lines of its own about those that it resembles.
		text, resembles, _ := strings.Cut(err.Error(), "\n\nDid you mean this?\n")
		fmt.Fprintf(a.stderr, "vchatctl: error: %s\n", text)
		if names := strings.Fields(resembles); len(names) > 0 {
			fmt.Fprintf(a.stderr, "vchatctl: hint: did you mean %s?\n", strings.Join(names, " or "))
		} else if h := hint(command, err); h != "" {
			fmt.Fprintf(a.stderr, "vchatctl: hint: %s\n", h)
		}
	}
	return code
}
