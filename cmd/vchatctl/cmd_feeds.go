package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vchat/daemon/api"
)

func (a *app) feedsCmd() *cobra.Command {
	list := func(cmd *cobra.Command, _ []string) error {
		readers, err := a.client().Readers(cmd.Context())
		if err != nil {
			return err
		}
		return a.print(api.Readers{Readers: readers}, func(w io.Writer) { writeReaders(w, readers) })
	}
	cmd := &cobra.Command{
		Use:   "feeds [list|add NAME|remove NAME]",
		Short: "Let other programs read the frames over HTTP",
		Long: `Let other programs, such as Home Assistant, OBS, VLC and Frigate, read the frames over HTTP, at the
address feeds of the configuration. Each program needs a token of its own. It may read the feed of
this device, /self.mjpeg, and those of the peers in a call, /PEER.mjpeg; with .jpg in place of
.mjpeg it gets one frame. Privacy mode closes the camera for these programs, too.

Without a command, feeds lists the programs.`,
		Args: argCount(0, 0),
		RunE: list,
	}
	cmd.AddCommand(
		&cobra.Command{Use: "list", Short: "List the programs that have a token", Args: argCount(0, 0), RunE: list},
		&cobra.Command{
			Use:   "add NAME",
			Short: "Make a token for a program, and print the URL for it",
			Long: `Make a token for a program, and print the URL of this device's feed for it. vchatd does not keep the
token: it is not shown again.`,
			Args:              argCount(1, 1),
			ValidArgsFunction: cobra.NoFileCompletions,
			RunE: func(cmd *cobra.Command, args []string) error {
				r, err := a.client().AddReader(cmd.Context(), api.ReaderRequest{Name: args[0]})
				if err != nil {
					return err
				}
				a.noticef("keep this URL: the token is not shown again")
				return a.print(r, func(w io.Writer) { fmt.Fprintln(w, r.URL) })
			},
		},
		&cobra.Command{
			Use:               "remove NAME",
			Short:             "Take the token of a program away, and end what it reads",
			Args:              argCount(1, 1),
			ValidArgsFunction: a.completeReaders,
			RunE: func(cmd *cobra.Command, args []string) error {
				if strings.ContainsAny(args[0], "/") || strings.Trim(args[0], ".") == "" { // would be another path
					return &api.Error{Kind: api.NoSuchReader, Message: fmt.Sprintf("no reader named %q", args[0])}
				}
				r, err := a.client().RemoveReader(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return a.print(r, func(io.Writer) {})
			},
		},
	)
	return cmd
}

// completeReaders completes the first argument by the names of the readers.
func (a *app) completeReaders(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	readers, _ := a.client().Readers(cmd.Context())
	var names []string
	for _, r := range readers {
		names = append(names, r.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func writeReaders(w io.Writer, readers []api.Reader) {
	if len(readers) == 0 {
		fmt.Fprintln(w, "no program has a token: vchatctl feeds add NAME")
	}
	table(w, func(w io.Writer) {
		for _, r := range readers {
			fmt.Fprintf(w, "%s\tsince %s\t%s\n", r.Name, r.Added.Local().Format(time.DateOnly),
				countText(uint64(max(0, r.Viewers)), "feeds open"))
		}
	})
}
