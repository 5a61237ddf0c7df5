package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/cmd/vchatctl/internal/view/pipe"
	"vchat/cmd/vchatctl/internal/view/screen"
	"vchat/cmd/vchatctl/internal/view/terminal"
	"vchat/cmd/vchatctl/internal/view/window"
	"vchat/daemon/api"
)

// Values of --to. toDesktop is a window or, if that fails, the terminal: a
// shell in tmux may have the DISPLAY of a desktop that has ended.
const (
	toPipe     = "pipe"
	toScreen   = "screen"
	toTerminal = "terminal"
	toWeb      = "web"
	toWindow   = "window"
	toDesktop  = ""
)

func (a *app) viewCmd() *cobra.Command {
	var (
		to     string
		port   int
		follow bool
	)
	cmd := &cobra.Command{
		Use:   "view [PEER|self]",
		Short: "Show a feed",
		Long: `Show a feed. Without a name, show the peer of the only call, or this device's camera if there is
no call.

  --to window    a window on an X display (or on Wayland, through Xwayland)
  --to screen    the monitor of a machine without a desktop, in place of the console;
                 Ctrl-Alt-F2 switches to another console
  --to terminal  the terminal on standard output
  --to pipe      JPEG frames one after the other: vchatctl view | ffplay -f mjpeg -
  --to web       a browser on this machine, with all controls of a call. It prints the page's
                 address, which is secret, and serves the page until Ctrl-C. To use it from
                 another machine: --port 7460 here, ssh -L 7460:127.0.0.1:7460 there

Keys in window, screen and terminal:

  q  quit                       p  own picture in a corner
  f  full screen (window)       i  statistics
  s  snapshot to a file here    h  hang up
  a  answer                     d  decline
  y  accept a device that wants to pair, and confirm its code
  n  refuse it
  Enter  write and send a message; Escape cancels it`,
		Args:              argCount(0, 1),
		ValidArgsFunction: a.completePeers(api.Self),
		RunE: func(cmd *cobra.Command, args []string) error {
			to, err := a.viewTarget(to)
			if err != nil {
				return err
			}
			if to == toWeb {
				return a.viewWeb(cmd.Context(), firstArg(args), port)
			}
			if cmd.Flags().Changed("port") {
				return usagef("--port requires --to web")
			}
			opt := view.Options{Feed: firstArg(args), Follow: follow, SwitchToCaller: len(args) == 0}
			if follow { // also waits for the daemon, so only a wrong name is an error
				err = a.checkFeed(cmd.Context(), opt.Feed)
			} else {
				opt.Feed, err = a.resolveFeed(cmd.Context(), opt.Feed)
			}
			if err != nil && (!follow || exitCode(err) == exitUnknown) {
				return err
			}
			_, err = a.view(cmd.Context(), opt, to)
			return err
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "window, screen, terminal, pipe or web (default: window with an X display, "+
		"screen on a console, otherwise terminal; pipe if standard output is not a terminal)")
	cmd.Flags().BoolVar(&follow, "follow", false, "wait for calls and show the peer of each, until stopped")
	cmd.Flags().StringVar(&a.console, "tty", "",
		"console for --to screen, such as /dev/tty1 (default: the current one)")
	cmd.Flags().IntVar(&port, "port", 0, "loopback port for --to web (default: any free port)")
	_ = cmd.RegisterFlagCompletionFunc("to", cobra.FixedCompletions(
		[]string{toWindow, toScreen, toTerminal, toPipe, toWeb}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// viewTarget returns where to show a feed, for a value of --to or, for "", the
// best target available.
func (a *app) viewTarget(to string) (string, error) {
	onTerminal := a.onTerminal()
	plain := ""
	if onTerminal {
		plain = plainReason()
	}
	switch {
	case to == toWindow:
		return toWindow, nil
	case to == "" && onTerminal && window.Available():
		return toDesktop, nil
	case to == toScreen, to == "" && onTerminal && screen.Available(a.stdin):
		return toScreen, nil
	case (to == "" || to == toTerminal) && plain != "":
		return "", &plainTerminalError{plain}
	case to == "" && onTerminal:
		return toTerminal, nil
	case to == toPipe && onTerminal:
		return "", usagef("--to pipe: standard output is a terminal; pipe it to a program, such as | ffplay -f mjpeg -")
	case to == "" || to == toPipe:
		return toPipe, nil
	case to == toTerminal && onTerminal:
		return toTerminal, nil
	case to == toWeb:
		return toWeb, nil
	case to == toTerminal:
		return "", usagef("--to terminal: standard output is not a terminal")
	}
	return "", usagef("--to must be window, screen, terminal, pipe or web; got %q", to)
}

// view shows a feed until it or ctx ends, or the user quits. It reports whether
// the feed has ended, and prints why.
func (a *app) view(ctx context.Context, opt view.Options, to string) (ended bool, err error) {
	err = a.runView(ctx, opt, to)
	var end *view.EndedError
	if errors.As(err, &end) {
		return true, a.reportEnd(end)
	}
	return false, err
}

func (a *app) runView(ctx context.Context, opt view.Options, to string) (err error) {
	ctx, stop := a.readerContext(ctx)
	defer stop()
	opt.ShowStats = to == toTerminal // the terminal has a status line
	s, err := view.Start(ctx, a.client(), opt)
	if err != nil {
		return err
	}
	defer s.Close()
	if to == toPipe {
		return pipe.Copy(ctx, a.stdout, s.Newest())
	}
	d, err := a.openDisplay(ctx, s, to, cmp.Or(opt.Feed, "vchat"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }() // in a panic, too
	return view.Run(ctx, s, d)
}

func (a *app) openDisplay(ctx context.Context, s *view.Session, to, title string) (view.Display, error) {
	switch to {
	case toWindow, toDesktop:
		w, err := window.Open(ctx, window.Options{Title: title})
		if err == nil {
			return w, nil
		}
		if to == toWindow || ctx.Err() != nil {
			return nil, err
		}
		if reason := plainReason(); reason != "" {
			return nil, fmt.Errorf("%w; %w", err, &plainTerminalError{reason})
		}
	case toScreen:
		return a.openScreen()
	}
	return terminal.Open(s.Context(), a.stdin, a.stdout, terminal.Options{
		TrueColor: hasTrueColor(),
		Remote:    os.Getenv("SSH_CONNECTION") != "",
	})
}

// reportEnd prints why a feed has ended. It returns an error for an end that is
// a failure.
func (a *app) reportEnd(e *view.EndedError) error {
	switch c := e.Call; {
	case c.State == "":
		a.noticef("%v", e)
	case c.Reason != api.ReasonHungUp:
		return callEndedError(c)
	case c.EndedBy == api.SideRemote:
		a.noticef("call ended: %s hung up", c.Peer)
	default:
		a.noticef("call ended: you hung up")
	}
	return nil
}

// hasTrueColor reports whether the terminal has 24-bit color: by COLORTERM or,
// as ssh does not pass that on, by the names of terminals that have it.
func hasTrueColor() bool {
	if c := os.Getenv("COLORTERM"); c == "truecolor" || c == "24bit" {
		return true
	}
	trueColorTerms := []string{"direct", "kitty", "foot", "alacritty", "ghostty", "wezterm"}
	return slices.ContainsFunc(trueColorTerms, func(name string) bool {
		return strings.Contains(os.Getenv("TERM"), name)
	})
}
