// Command vchatctl controls vchatd over its control socket and shows its feeds.
//
// Guarantees:
//   - Standard output carries data only; messages go to standard error.
//   - Each error has one exit code, chosen in exit.go.
//   - call --view hangs up when its viewer ends.
//
// Each command has a file of its own, cmd_NAME.go. They share these:
//
//	app.go           the root command and how to add one
//	exit.go          exit codes, error and hint lines
//	feed.go          which feed a name means, and why it has no frames
//	output*.go       standard output: JSON, tables, units, colors
//	call_action.go   answer, reject and hangup
//	internal/view    displays;  internal/record  files
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"vchat/cmd/vchatctl/internal/view/screen"
)

// A signal within duplicateSignalWindow of the first one counts as the same:
// timeout(1) signals both the program and its process group.
const duplicateSignalWindow = 500 * time.Millisecond

// runOther runs another program of the same file, if it was started under that
// name.
var runOther = func() (code int, done bool) { return 0, false }

func main() { os.Exit(run()) }

func run() int {
	if code, done := runOther(); done {
		return code
	}
	if len(os.Args) == 2 && os.Args[1] == screen.GuardCommand {
		return screen.Guard()
	}
	// A write to a closed pipe then fails with EPIPE, which exitCode knows.
	signal.Ignore(syscall.SIGPIPE)
	// A write beyond the file size limit then fails as on a full disk, and the
	// recording is closed properly.
	signal.Ignore(syscall.SIGXFSZ)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-signals:
			cancel(errInterrupted)
		case <-done:
			return
		}
		for duplicates := time.After(duplicateSignalWindow); ; {
			select {
			case <-duplicates:
				duplicates = nil
			case <-signals:
				if duplicates == nil {
					os.Exit(exitInterrupted) // a second signal skips the cleanup
				}
			case <-done:
				return
			}
		}
	}()

	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	defer a.close()
	cmd, err := a.root().ExecuteContextC(ctx)
	a.json = a.json || wantsJSON(os.Args[1:])
	return a.finish(cmd.CommandPath(), err)
}
