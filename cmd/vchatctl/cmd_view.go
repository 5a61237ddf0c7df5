package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
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

// pipeRecipe plays a feed without delay.
const pipeRecipe = "vchatctl view --to pipe --format mkv | mpv --profile=low-latency --untimed --cache=no -"

var pipeFormats = []string{string(pipe.MJPEG), string(pipe.Matroska)}

// viewFlags are the flags of view.
type viewFlags struct {
	to     string
	format string
	port   int
	follow bool
	raw    bool
}

const viewHelp = `Show the picture of a peer or, with self, of this device. Without a name, show the peer of the
only call, or this device if there is no call.

  --to window    a window on an X display (or on Wayland, through Xwayland)
  --to screen    the monitor of a machine without a desktop, in place of the console;
                 Ctrl-Alt-F2 switches to another console
  --to terminal  the terminal on standard output
  --to pipe      frames for a program: JPEG one after the other or, with --format mkv, Matroska with
                 capture times: ` + pipeRecipe + `
  --to web       a browser on this machine, with all controls of a call. It prints the page's
                 address, which is secret, and serves the page until Ctrl-C. To use it from
                 another machine: --port 7460 here, ssh -L 7460:127.0.0.1:7460 there

In window and screen, a mouse or a touch shows the buttons for 3 s. Keys there and in the terminal:

  q, Ctrl-Q  quit               p  own picture in a corner
  f, F11, double click          full screen (window); Escape leaves it
  s  snapshot to a file here    i  statistics
  a  answer (or Enter)          d  decline
  h  hang up                    c  camera off, or on again
  Tab, arrows  next button      Enter, space  press it
  1 to 9  call a peer of the list, without a call; m  other peers
  arrows, with no button chosen: move the own picture
  ?  all keys
  y  accept a device that wants to pair, and confirm its code
  n  refuse it
  Enter  write and send a message; Escape cancels it
  1 to 6, in an empty message: choose a ready one`

func (a *app) viewCmd() *cobra.Command {
	f := &viewFlags{}
	cmd := &cobra.Command{
		Use:               "view [PEER|self]",
		Short:             "Show the picture of a peer, or of this device",
		Long:              viewHelp,
		Args:              argCount(0, 1),
		ValidArgsFunction: a.completePeers(api.Self),
		RunE:              func(cmd *cobra.Command, args []string) error { return a.viewFeed(cmd, args, f) },
	}
	cmd.Flags().StringVar(&f.to, "to", "", "window, screen, terminal, pipe or web (default: window with an X display, "+
		"screen on a console, otherwise terminal; pipe if standard output is one)")
	cmd.Flags().BoolVar(&f.follow, "follow", false, "wait for calls and show the peer of each, until stopped")
	cmd.Flags().StringVar(&a.console, "tty", "",
		"console for --to screen, such as /dev/tty1 (default: the current one)")
	cmd.Flags().DurationVar(&a.idle, "idle", 0,
		"with --to screen, turn the monitor off after this time without a call and without a key or a touch, "+
			"such as 10m (default: never)")
	cmd.Flags().StringVar(&f.format, "format", string(pipe.MJPEG), "mjpeg or mkv, for --to pipe")
	cmd.Flags().IntVar(&f.port, "port", 0, "loopback port for --to web (default: any free port)")
	cmd.Flags().BoolVar(&f.raw, "raw", false,
		"show frames as they were sent: do not soften the block edges of coarse ones")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(pipeFormats,
		cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("to", cobra.FixedCompletions(
		[]string{toWindow, toScreen, toTerminal, toPipe, toWeb}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// viewFeed shows the feed that the arguments name, as the flags say.
func (a *app) viewFeed(cmd *cobra.Command, args []string, f *viewFlags) error {
	to, err := a.viewTarget(f.to)
	if err != nil {
		return err
	}
	if cmd.Flags().Changed("format") && to != toPipe {
		return usagef("--format requires --to pipe")
	}
	if !slices.Contains(pipeFormats, f.format) {
		return usagef("--format must be mjpeg or mkv")
	}
	if cmd.Flags().Changed("port") && to != toWeb {
		return usagef("--port requires --to web")
	}
	if a.console != "" && to != toScreen {
		return usagef("--tty requires --to screen")
	}
	if a.idle != 0 && to != toScreen {
		return usagef("--idle requires --to screen")
	}
	if a.idle < 0 {
		return usagef("--idle must not be negative")
	}
	if to == toWeb {
		return a.viewWeb(cmd.Context(), firstArg(args), f.port)
	}
	opt := view.Options{Feed: firstArg(args), Follow: f.follow, SwitchToCaller: len(args) == 0, Raw: f.raw}
	if f.follow { // also waits for the daemon, so only a wrong name is an error
		err = a.checkFeed(cmd.Context(), opt.Feed)
	} else {
		opt.Feed, err = a.resolveFeed(cmd.Context(), opt.Feed)
	}
	if err != nil && (!f.follow || exitCode(err) == exitUnknown) {
		return err
	}
	_, err = a.view(cmd.Context(), opt, to, pipe.Format(f.format))
	return err
}

// viewTarget returns where to show a feed, for a value of --to or, for "", the
// best target available.
func (a *app) viewTarget(to string) (string, error) {
	onTerminal := a.onTerminal()
	plain := ""
	if onTerminal {
		plain = dumbReason()
	}
	switch {
	case to == toWindow:
		return toWindow, nil
	case to == "" && onTerminal && window.Available():
		return toDesktop, nil
	case to == "" && !a.onPipe() && window.Available(): // a desktop starts programs with /dev/null, or a log
		return toWindow, nil
	case to == toScreen, to == "" && onTerminal && screen.Available(a.stdin):
		return toScreen, nil
	case (to == "" || to == toTerminal) && plain != "":
		return "", &plainTerminalError{plain}
	case to == "" && onTerminal:
		return toTerminal, nil
	case to == toPipe && onTerminal:
		return "", usagef("--to pipe: standard output is a terminal; pipe it to a program: " + pipeRecipe)
	case to == toPipe, to == "" && a.onPipe():
		return toPipe, nil
	case to == "": // a file would grow without end, and /dev/null shows nothing
		return "", usagef("no display, and standard output is neither a terminal nor a pipe; " +
			"to write frames to it, use --to pipe")
	case to == toTerminal && onTerminal:
		return toTerminal, nil
	case to == toWeb:
		return toWeb, nil
	case to == toTerminal:
		return "", usagef("--to terminal: standard output is not a terminal")
	}
	return "", usagef("--to must be window, screen, terminal, pipe or web")
}

// onPipe reports whether standard output is a pipe or a socket that a program
// may read.
func (a *app) onPipe() bool {
	info, err := a.stdout.Stat()
	return err == nil && info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) != 0
}

// view shows a feed until it or ctx ends, or the user quits. It reports whether
// the feed has ended, and prints why.
func (a *app) view(ctx context.Context, opt view.Options, to string, format pipe.Format) (ended bool, err error) {
	err = a.runView(ctx, opt, to, format)
	var end *view.EndedError
	if errors.As(err, &end) {
		return true, a.reportEnd(end)
	}
	return false, err
}

func (a *app) runView(ctx context.Context, opt view.Options, to string, format pipe.Format) (err error) {
	ctx, stop := a.readerContext(ctx)
	defer stop()
	opt.ShowStats = to == toTerminal // the terminal has a status line
	s, err := view.Start(ctx, a.client(), opt)
	if err != nil {
		return err
	}
	defer s.Close()
	if to == toPipe {
		return pipe.Copy(ctx, a.stdout, s.Newest(), format, a.logf)
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
		if reason := dumbReason(); reason != "" {
			return nil, fmt.Errorf("%w; %w", err, &plainTerminalError{reason})
		}
	case toScreen:
		return a.openScreen()
	}
	return terminal.Open(s.Context(), a.stdin, a.stdout, terminal.Options{
		Colors: terminalColors(),
		ASCII:  !utf8Locale(),
		Remote: os.Getenv("SSH_CONNECTION") != "",
		Light:  lightTerminal(),

		Multiplexer: isMultiplexer(),
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
	default:
		a.noticef("call ended: %s", view.EndText(&c))
	}
	return nil
}

// terminalColors returns how many colors the terminal has. Most that do not say
// so have 256. See https://no-color.org for NO_COLOR.
func terminalColors() terminal.Colors {
	name := os.Getenv("TERM")
	switch {
	case os.Getenv("NO_COLOR") != "", strings.HasPrefix(name, "vt1"), strings.HasPrefix(name, "vt2"),
		strings.HasSuffix(name, "-mono"), strings.HasSuffix(name, "-m"):
		return terminal.NoColors
	case hasTrueColor():
		return terminal.TrueColor
	case name == "linux", name == "ansi", name == "cygwin", strings.HasSuffix(name, "-16color"):
		return terminal.Palette16
	}
	return terminal.Palette256
}

// lightTerminal reports whether COLORFGBG, which some terminals set, names a
// light background: "0;15" is black on white.
func lightTerminal() bool {
	s := os.Getenv("COLORFGBG")
	n, err := strconv.Atoi(s[strings.LastIndexByte(s, ';')+1:])
	return err == nil && (n == 7 || n > 8 && n < 16)
}

// isMultiplexer reports whether the terminal is screen or tmux.
func isMultiplexer() bool {
	name := os.Getenv("TERM")
	return strings.HasPrefix(name, "screen") || strings.HasPrefix(name, "tmux")
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
