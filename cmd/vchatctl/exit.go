package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/cmd/vchatctl/internal/view/screen"
	"vchat/cmd/vchatctl/internal/view/window"
	"vchat/daemon/api"
	"vchat/daemon/client"
)

// Exit codes. They are part of the interface; the text in exitCodes documents
// them.
const (
	exitSuccess     = 0
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
  0    success
  1    other failure
  2    wrong usage
  3    cannot reach vchatd
  4    permission denied
  5    no such peer, call or feed
  6    peer unreachable
  7    peer busy, declined or did not answer
  8    peer key mismatch
  9    camera unavailable
  130  interrupted`

var errInterrupted = errors.New("interrupted")

// errToldAlready is a failure that standard output has described.
var errToldAlready = errors.New("see above")

// usageError marks an error in the command line.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// refusal returns the daemon's answer if err wraps one, else nil.
func refusal(err error) *api.Error {
	var refused *api.Error
	if errors.As(err, &refused) {
		return refused
	}
	return nil
}

// exitCode returns the exit code for the error of a command.
func exitCode(err error) int {
	var refused *api.Error
	switch {
	case err == nil:
		return exitSuccess
	// The reader of standard output has closed it, as head does. An EPIPE from
	// the daemon's socket is a failure.
	case errors.Is(err, syscall.EPIPE) && !errors.Is(err, client.ErrUnreachable):
		return exitSuccess
	case errors.Is(err, errInterrupted), errors.Is(err, view.ErrInterrupted), errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &usageError{}), isPlainTerminal(err):
		return exitUsage
	case errors.As(err, &refused):
		return exitCodeForKind(refused.Kind)
	case errors.Is(err, client.ErrPermission), errors.Is(err, client.ErrUntrusted),
		errors.Is(err, screen.ErrPermission):
		return exitPermission
	case errors.Is(err, client.ErrUnreachable):
		return exitNoDaemon
	}
	return exitFailed
}

func isPlainTerminal(err error) bool {
	var plain *plainTerminalError
	return errors.As(err, &plain)
}

func exitCodeForKind(k api.Kind) int {
	switch k {
	case api.NotPermitted:
		return exitPermission
	case api.NoSuchPeer, api.NoSuchCall, api.NoSuchFeed, api.NoSuchReader:
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
	case api.ShuttingDown, api.CannotStart:
		return exitNoDaemon
	}
	return exitFailed
}

// hint returns what the user can do about an error of a command, or "".
func (a *app) hint(command string, err error) string {
	var refused *api.Error
	switch {
	case errors.As(err, &refused):
		return refused.Hint
	case errors.Is(err, client.ErrPermission):
		return groupHint(a.socket)
	case errors.Is(err, client.ErrUntrusted):
		return "vchatd runs as root, as vchat or as yourself; check --socket and $VCHAT_SOCKET"
	case errors.Is(err, client.ErrUnreachable):
		return startHint(a.socket, err)
	case isPlainTerminal(err):
		return "use --to pipe: " + pipeRecipe
	case errors.Is(err, window.ErrNoDisplay), errors.Is(err, window.ErrNoVisual):
		return "use --to terminal, or ssh -X if you are connected by ssh"
	case errors.As(err, &usageError{}) && !saysWhatToDo(err):
		return "see " + command + " --help"
	}
	return ""
}

// saysWhatToDo reports whether the text of an error ends with what to use, as
// in "a.mkv already exists; use --force to replace it". The help adds nothing.
func saysWhatToDo(err error) bool { return strings.Contains(err.Error(), "; use ") }

// startHint returns what a user does when the vchatd of a socket is not
// reached.
func startHint(socket string, err error) string {
	hangs := !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED)
	switch {
	case hangs && socket == api.DefaultSocket:
		return "sudo systemctl restart vchatd; see also: journalctl -u vchatd"
	case hangs:
		return "restart the vchatd of this socket"
	case socket == api.DefaultSocket:
		return "sudo systemctl start vchatd; if it stops again: vchatctl doctor"
	}
	return "start the vchatd of this socket, or correct --socket and $VCHAT_SOCKET"
}

// groupHint returns what a user does who may not connect to a socket.
func groupHint(socket string) string {
	group := "vchat"
	if info, err := os.Stat(socket); err == nil {
		st := info.Sys().(*syscall.Stat_t)
		g, err := user.LookupGroupId(strconv.Itoa(int(st.Gid)))
		if err != nil || g.Gid == "0" || info.Mode()&0o060 == 0 {
			return "use sudo"
		}
		group = g.Name
	}
	return fmt.Sprintf("join the group %s (sudo usermod -aG %s $USER), then log in again; or use sudo", group, group)
}

// finish prints the error of a command, with a hint, and returns the exit code.
func (a *app) finish(command string, err error) int {
	if err != nil && !a.started && !errors.As(err, &usageError{}) {
		err = usageError{err} // cobra rejected the command line
	}
	code := exitCode(err)
	if code == exitSuccess || code == exitInterrupted && !a.json || errors.Is(err, errToldAlready) {
		return code
	}
	// cobra appends similar commands to the error about an unknown one.
	text, similar, _ := strings.Cut(err.Error(), "\n\nDid you mean this?\n")
	if code == exitInterrupted {
		text = errInterrupted.Error()
	}
	h := a.hint(command, err)
	if names := strings.Fields(similar); len(names) > 0 {
		h = "did you mean " + strings.Join(names, " or ") + "?"
	}
	if a.json {
		b, _ := json.Marshal(api.ErrorBody{Error: &api.Error{Kind: errorKind(err, code), Message: text, Hint: h}})
		fmt.Fprintf(a.stderr, "%s\n", b)
		return code
	}
	a.logf("error: %s", text)
	if h != "" {
		a.logf("hint: %s", h)
	}
	return code
}

// The kinds of errors of this program, beside those of the daemon.
const (
	kindUsage    api.Kind = "usage"
	kindNoDaemon api.Kind = "no_daemon" // vchatd cannot be reached
	kindFailed   api.Kind = "failed"

	kindInterrupted api.Kind = "interrupted" // by a signal
)

// errorKind returns the kind of an error for --json.
func errorKind(err error, code int) api.Kind {
	if refused := refusal(err); refused != nil {
		return refused.Kind
	}
	switch code {
	case exitUsage:
		return kindUsage
	case exitNoDaemon:
		return kindNoDaemon
	case exitPermission:
		return api.NotPermitted
	case exitCamera:
		return api.CameraUnavailable
	case exitInterrupted:
		return kindInterrupted
	}
	return kindFailed
}

// wantsJSON reports whether the command line asks for JSON. It answers for a
// command line with an error, too, where cobra stops at the first one.
func wantsJSON(args []string) bool {
	for _, arg := range args {
		switch arg {
		case "--":
			return false
		case "--json", "--json=true":
			return true
		}
	}
	return false
}
