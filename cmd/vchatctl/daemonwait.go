package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/daemon/api"
	"vchat/daemon/client"
)

const (
	daemonRetry  = 250 * time.Millisecond
	daemonNotice = 2 * time.Second // a restart takes less
)

// daemonWait lets a command that runs on outlive the daemon. It says once on
// standard error when the daemon stops, and once when it is back.
type daemonWait struct {
	app   *app
	never bool // end with the daemon
	quiet bool // the command shows text itself

	answered bool      // since the start of the command
	since    time.Time // no answer since then; zero: it answers
	said     bool      // that there is no answer
}

// again waits after an error of the daemon. It returns nil when it is time to
// try again, and the error if waiting cannot help.
func (w *daemonWait) again(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if w.never || !daemonGone(err) || !w.answered && w.wrongSocket(err) {
		return err
	}
	now := time.Now()
	if w.since.IsZero() {
		w.since = now
	}
	if !w.said && (!w.answered || now.Sub(w.since) >= daemonNotice) {
		w.said = true
		w.say(w.text())
	}
	select {
	case <-time.After(daemonRetry):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ok records an answer of the daemon.
func (w *daemonWait) ok() {
	switch {
	case w.since.IsZero():
	case !w.answered:
		w.say("vchatd runs now")
	case w.said:
		w.say("vchatd is back")
	default:
		w.say("vchatd was restarted")
	}
	w.answered, w.since, w.said = true, time.Time{}, false
}

func (w *daemonWait) say(text string) {
	if !w.quiet {
		w.app.logf("%s", text)
	}
}

// text returns what the command waits for.
func (w *daemonWait) text() string {
	if !w.answered {
		return "vchatd does not run; waiting for it to start"
	}
	return view.DaemonStopped(w.since).At(time.Now())
}

// daemonGone reports whether an error passes when the daemon is started.
func daemonGone(err error) bool {
	if refused := refusal(err); refused != nil {
		return refused.Kind == api.ShuttingDown
	}
	return errors.Is(err, client.ErrUnreachable)
}

// wrongSocket reports whether no daemon will ever listen on the socket: a file
// of another kind, a path that is too long, or a mistyped one.
// The default path is right even while nothing is there.
func (w *daemonWait) wrongSocket(err error) bool {
	info, statErr := os.Stat(w.app.socket)
	switch {
	case errors.Is(err, syscall.EINVAL):
		return true
	case statErr == nil:
		return info.Mode()&fs.ModeSocket == 0
	}
	return w.app.socket != api.DefaultSocket
}
