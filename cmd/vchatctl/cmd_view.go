package main

import (
	"cmp"
	"context"
	"errors"
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

const (
	toPipe     = "pipe"
	toScreen   = "screen"
	toTerminal = "terminal"
	toWeb      = "web"
	toWindow   = "window"
	toDesktop  = "" // a window, or else the terminal: a shell may remember a display that is no more
)

func (a *app) viewCmd() *cobra.Command {
	var (
		to     string
		port   int
		follow bool
	)
	cmd := &cobra.Command{
		Use:   "view [PEER|self]",
		Short: "Show a feed: of the peer of the call, or else of this device's camera",
		Long: `Show a feed: of the peer of the only call, or else of this device's own camera.

  --to window    in a window of an X display (or of Wayland, by Xwayland); q or its close button ends it
  --to screen    on this machine's monitor without a desktop, in place of the console; Ctrl-Alt-F2 still leads to another
  --to terminal  in the terminal, if standard output is one; q quits
  --to pipe      as JPEG frames one after the other: vchatctl view | ffplay -f mjpeg -
  --to web       in a browser on this machine, with all that belongs to a call; it prints the page's address, which is
                 secret, and serves the page until Ctrl-C. From elsewhere: --port 7460, and ssh -L 7460:127.0.0.1:7460

Keys of window, screen and terminal: q quit, f full screen (window), s snapshot into the working directory, p own picture
in a corner, h hang up, i figures, a answer, d decline; Enter begins a line of text and says it, Escape leaves it.`,
		Args:              takes(0, 1),
		ValidArgsFunction: a.completePeers(api.Self),
		RunE: func(cmd *cobra.Command, args []string) error {
			to, err := a.target(to)
			if err != nil {
				return err
			}
			if to == toWeb {
				return a.viewWeb(cmd.Context(), first(args), port)
			}
			if cmd.Flags().Changed("port") {
				return usagef("--port is of --to web")
			}
			opt := view.Options{Feed: first(args), Follow: follow, Turn: len(args) == 0}
			if follow { // it waits for a daemon, too
				err = a.mayCome(cmd.Context(), opt.Feed)
			} else {
				opt.Feed, err = a.feed(cmd.Context(), opt.Feed)
			}
			if err != nil && (!follow || exitCode(err) == exitUnknown) {
				return err
			}
			err = a.view(cmd.Context(), opt, to)
			if over := (*view.Over)(nil); errors.As(err, &over) {
				return a.tellOver(over)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "window, screen, terminal, pipe or web (default: window if there is a display, screen on a console, else terminal; pipe if standard output is no terminal)")
	cmd.Flags().BoolVar(&follow, "follow", false, "wait for calls, and show whoever is in one, until it is ended")
	cmd.Flags().StringVar(&a.console, "tty", "", "console for --to screen, as /dev/tty1 (default: the one that this runs on)")
	cmd.Flags().IntVar(&port, "port", 0, "of the page of --to web, on loopback (default: any that is free)")
	_ = cmd.RegisterFlagCompletionFunc("to", cobra.FixedCompletions([]string{toWindow, toScreen, toTerminal, toPipe, toWeb}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// target decides where to show a feed.
func (a *app) target(to string) (string, error) {
	isTerminal := a.onTerminal()
	switch {
	case to == toWindow:
		return toWindow, nil
	case to == "" && isTerminal && window.Available():
		return toDesktop, nil
	case to == toScreen, to == "" && isTerminal && screen.Available(a.stdin):
		return toScreen, nil
	case to == "" && isTerminal:
		return toTerminal, nil
	case to == toPipe && isTerminal:
		return "", usagef("--to pipe: standard output is a terminal: give it to a program, as by | ffplay -f mjpeg -")
	case to == "" || to == toPipe:
		return toPipe, nil
	case to == toTerminal && isTerminal:
		return toTerminal, nil
	case to == toWeb:
		return toWeb, nil
	case to == toTerminal:
		return "", usagef("--to terminal: standard output is no terminal")
	}
	return "", usagef("--to %s: there is no such viewer; window, screen, terminal, pipe and web are", to)
}

// view shows a feed until its user has enough of it, which gives nil, or it ends.
func (a *app) view(ctx context.Context, opt view.Options, to string) (err error) {
	ctx, stop := a.whileRead(ctx)
	defer stop()
	opt.Figures = to == toTerminal // it has a line for them
	s, err := view.Start(ctx, a.client(), opt)
	if err != nil {
		return err
	}
	defer s.Close()
	if to == toPipe {
		return pipe.Copy(ctx, a.stdout, s.Newest())
	}
	d, err := a.display(ctx, s, to, cmp.Or(opt.Feed, "vchat"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }() // in a panic, too
	return view.Run(ctx, s, d)
}

// display opens the display that a session is to be shown on.
func (a *app) display(ctx context.Context, s *view.Session, to, title string) (view.Display, error) {
	switch to {
	case toWindow, toDesktop:
		w, err := window.Open(ctx, window.Options{Title: title})
		if err == nil {
			return w, nil
		}
		if to == toWindow || ctx.Err() != nil {
			return nil, err
		}
	case toScreen:
		return a.openScreen()
	}
	return terminal.Open(s.Context(), a.stdin, a.stdout, terminal.Options{TrueColour: trueColour(), Remote: os.Getenv("SSH_CONNECTION") != ""})
}

// tellOver says why a feed is over, if that is an end that nobody needs to mend, and else gives it as an error.
func (a *app) tellOver(o *view.Over) error {
	switch c := o.Call; {
	case c.State == "":
		a.tell("%v", o)
	case c.Reason != api.ReasonHungUp:
		return ended(c)
	case c.EndedBy == api.SideRemote:
		a.tell("%s has hung up", c.Peer)
	default:
		a.tell("the call with %s has ended", c.Peer)
	}
	return nil
}

// trueColour follows what terminals have agreed on. What ssh does not hand on, some names tell.
func trueColour() bool {
	if c := os.Getenv("COLORTERM"); c == "truecolor" || c == "24bit" {
		return true
	}
	term := os.Getenv("TERM")
	return slices.ContainsFunc([]string{"direct", "kitty", "foot", "alacritty", "ghostty", "wezterm"}, func(name string) bool {
		return strings.Contains(term, name)
	})
}
