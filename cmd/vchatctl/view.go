package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/cmd/vchatctl/internal/view/pipe"
	"vchat/cmd/vchatctl/internal/view/terminal"
	"vchat/daemon/api"
)

const (
	toPipe     = "pipe"
	toTerminal = "terminal"
)

// later are the targets that have a name and no viewer yet.
var later = []string{"window", "screen", "web"}

func (a *app) viewCmd() *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "view [PEER|self]",
		Short: "Show a feed: of the peer of the call, or else of this device's camera",
		Long: `Show a feed: of the peer of the only call, or else of this device's own camera.

  --to terminal  in the terminal, if standard output is one; q quits
  --to pipe      as JPEG pictures one after the other: vchatctl view | ffplay -f mjpeg -`,
		Args:              takes(0, 1),
		ValidArgsFunction: a.completePeers(api.Self),
		RunE: func(cmd *cobra.Command, args []string) error {
			to, err := a.target(to)
			if err != nil {
				return err
			}
			feed, err := a.feed(cmd.Context(), first(args))
			if err != nil {
				return err
			}
			err = a.view(cmd.Context(), feed, to)
			if errors.Is(err, errFeedOver) {
				a.tell("the feed of %s is over", feed)
				return nil
			}
			return err
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "terminal or pipe (default: terminal if standard output is one)")
	_ = cmd.RegisterFlagCompletionFunc("to", cobra.FixedCompletions([]string{toTerminal, toPipe}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// target decides where to show a feed.
func (a *app) target(to string) (string, error) {
	isTerminal := a.onTerminal()
	switch {
	case to == "" && isTerminal:
		return toTerminal, nil
	case to == toPipe && isTerminal:
		return "", usagef("--to pipe: standard output is a terminal: give it to a program, as by | ffplay -f mjpeg -")
	case to == "" || to == toPipe:
		return toPipe, nil
	case to == toTerminal && isTerminal:
		return toTerminal, nil
	case to == toTerminal:
		return "", usagef("--to terminal: standard output is no terminal")
	case slices.Contains(later, to):
		return "", usagef("--to %s is not available yet: terminal and pipe are", to)
	}
	return "", usagef("--to %s: there is no such viewer; terminal and pipe are", to)
}

// feed decides which feed is meant by what was typed.
func (a *app) feed(ctx context.Context, name string) (string, error) {
	if name != "" {
		return name, nil
	}
	s, err := a.client().Status(ctx)
	if err != nil {
		return "", err
	}
	var peers []string
	for _, c := range s.Calls {
		if c.State == api.CallActive || c.State == api.CallResuming {
			peers = append(peers, c.Peer)
		}
	}
	switch len(peers) {
	case 0:
		return api.Self, nil
	case 1:
		return peers[0], nil
	}
	return "", usagef("there are several calls: say which one, of %s", strings.Join(peers, ", "))
}

// errFeedOver is the end of a feed whose daemon still runs: the call has ended.
var errFeedOver = errors.New("the feed is over")

// view shows a feed until its user has enough of it, which gives nil, or it ends.
func (a *app) view(ctx context.Context, feed, to string) error {
	ctx, stop := a.whileRead(ctx)
	defer stop()
	f, err := a.client().Feed(ctx, feed)
	if err != nil {
		return err
	}
	newest := view.Follow(f)
	defer newest.Wait()
	defer f.Close()
	if to == toPipe {
		err = pipe.Copy(ctx, a.stdout, newest)
	} else {
		err = terminal.Show(ctx, a.stdin, a.stdout, newest, terminal.Options{Title: feed, TrueColor: trueColor()})
	}
	if err != nil {
		return err
	}
	if _, end := newest.Take(); end != io.EOF {
		return nil
	}
	// A daemon that ends, ends its feeds in order.
	if _, err := a.client().Status(ctx); err != nil {
		return err
	}
	return errFeedOver
}

// trueColor follows what terminals have agreed on.
func trueColor() bool {
	c := os.Getenv("COLORTERM")
	return c == "truecolor" || c == "24bit"
}

// onTerminal says whether data goes to a terminal.
func (a *app) onTerminal() bool { return term.IsTerminal(int(a.stdout.Fd())) }

// tell writes a message that is only for somebody who reads it at once.
func (a *app) tell(format string, args ...any) {
	if term.IsTerminal(int(a.stderr.Fd())) {
		fmt.Fprintf(a.stderr, "vchatctl: "+format+"\n", args...)
	}
}
