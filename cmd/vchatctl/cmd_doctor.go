package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"vchat/cmd/vchatctl/internal/doctor"
	"vchat/daemon/api"
	"vchat/daemon/client"
)

func (a *app) doctorCmd() *cobra.Command {
	var report bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find what is wrong and say what to do",
		Long: `Find what is wrong with this device and say what to do. Lines marked ! are problems; those marked note
work, and could be better; those marked - were not checked. It opens the camera for a few seconds,
unless privacy is on, and tries once to reach each peer. It works without vchatd, too: then it says why
vchatd does not run. Exit code 0 means that there is no problem, 1 that there is one.`,
		Args: argCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			system := doctor.This()
			r := doctor.Run(cmd.Context(), system, doctorDaemon{a.client()}, a.socket)
			if cmd.Context().Err() != nil {
				return context.Cause(cmd.Context())
			}
			head := ""
			if report {
				r, head = r.Report(), system.Head()
			}
			if err := a.print(r, func(w io.Writer) { writeDoctor(w, head, r, a.colors()) }); err != nil {
				return err
			}
			if !r.OK {
				return errToldAlready
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&report, "report", false, "leave out names, ids, addresses and paths, to post it in public")
	return cmd
}

// doctorDaemon makes a client a doctor.Daemon.
type doctorDaemon struct{ *client.Client }

func (d doctorDaemon) Self(ctx context.Context) (doctor.Frames, error) {
	f, err := d.Feed(ctx, api.Self)
	if err != nil {
		return nil, err // not a nil *client.Feed
	}
	return f, nil
}

// writeDoctor writes a line for each finding, with the hint below, and a last
// line that sums up.
func writeDoctor(w io.Writer, head string, r doctor.Result, color colors) {
	io.WriteString(w, head)
	mark := map[doctor.Level]string{
		doctor.OK: color.green("ok") + "   ", doctor.Note: color.yellow("note") + " ", doctor.Skipped: "-    ",
		doctor.Problem: color.red("!") + "    ",
	}
	notes := uint64(0)
	for _, x := range r.Findings {
		fmt.Fprintf(w, "%s%s\n", mark[x.Level],
			printable(join(": ", join(" ", x.Subject, x.Name), x.Message)))
		if x.Hint != "" {
			fmt.Fprintf(w, "     %s\n", printable(x.Hint))
		}
		if x.Level == doctor.Note {
			notes++
		}
	}
	sum := color.green("all is well")
	switch {
	case r.Problems == 1:
		sum = color.red("1 problem found")
	case r.Problems > 1:
		sum = color.red(fmt.Sprintf("%d problems found", r.Problems)) + "; begin with the first one"
	case notes > 0:
		sum = color.green("no problem found") + "; " + countText(notes, "could be better")
	}
	fmt.Fprintln(w, sum)
}
