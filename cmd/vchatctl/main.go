// Command vchatctl controls the daemon of this device over its control socket and shows its feeds.
//
// Each command is in a file of its own. What all of them share: app.go makes them from the command line, exit.go alone
// decides what an error means for the exit code, and output.go writes what goes to standard output, which is data only.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"vchat/cmd/vchatctl/internal/view/screen"
)

// twice is for how long a second signal is the first one again.
const twice = 500 * time.Millisecond

func main() { os.Exit(run()) }

func run() int {
	if len(os.Args) == 2 && os.Args[1] == screen.GuardCommand {
		return screen.Guard()
	}
	// A reader of our output that has enough ends a command by EPIPE, as an error that can be told from others.
	signal.Ignore(syscall.SIGPIPE)
	// As the end of a full disk does: the write fails, and what was written before it is kept.
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
		// timeout(1) sends its signal twice, to the program and to its group.
		for early := time.After(twice); ; {
			select {
			case <-early:
				early = nil
			case <-signals:
				if early == nil { // it was meant: do not wait for anything any more
					os.Exit(exitInterrupted)
				}
			case <-done:
				return
			}
		}
	}()

	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	defer a.close()
	cmd, err := a.root().ExecuteContextC(ctx)
	return a.finish(cmd.CommandPath(), err)
}
