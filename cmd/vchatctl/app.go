package main

import (
	"cmp"
	"context"
	"os"
	"time"

	"github.com/spf13/cobra"

	"vchat/daemon/api"
	"vchat/daemon/client"
)

// app is one run of vchatctl.
type app struct {
	stdin, stdout, stderr *os.File

	socket  string
	json    bool
	console string // for viewers on the screen; "": the one that we are on
	started bool   // the command line was understood

	conn *client.Client
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "vchatctl",
		Short: "Video calls between devices: call, answer, look",
		Long: `vchatctl controls vchatd, the daemon that makes video calls between devices, and shows what its camera and its
peers send. Data goes to standard output, messages go to standard error.

` + exitCodes,
		Version:           api.Version,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		PersistentPreRun:  func(*cobra.Command, []string) { a.started = true },
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SetOut(a.stderr)
			_ = cmd.Usage()
			return usagef("no command is given")
		},
	}
	root.SetVersionTemplate("vchatctl {{.Version}}\n")
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.PersistentFlags().StringVar(&a.socket, "socket", cmp.Or(os.Getenv("VCHAT_SOCKET"), api.DefaultSocket),
		"control socket of the daemon; also $VCHAT_SOCKET")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON")
	root.AddCommand(a.statusCmd(), a.peersCmd(), a.callCmd(), a.answerCmd(), a.rejectCmd(), a.hangupCmd(), a.viewCmd(),
		a.snapshotCmd(), a.recordCmd(), a.sayCmd(), a.privacyCmd(), a.cameraCmd(), a.eventsCmd(), a.idCmd(), a.completionCmd(), a.versionCmd())
	return root
}

// client is made at first use: the socket is known once the flags are read.
func (a *app) client() *client.Client {
	if a.conn == nil {
		a.conn = client.New(a.socket)
	}
	return a.conn
}

func (a *app) close() {
	if a.conn != nil {
		a.conn.Close()
	}
}

// completePeers offers the daemon's peers, and more, for the first argument.
func (a *app) completePeers(more ...string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		// A shell that waits for its user's next key must not wait for a daemon.
		ctx, cancel := context.WithTimeout(cmd.Context(), time.Second)
		defer cancel()
		peers, err := a.client().Peers(ctx)
		if err != nil {
			return more, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for _, p := range peers {
			names = append(names, p.Name)
		}
		return append(names, more...), cobra.ShellCompDirectiveNoFileComp
	}
}

// takes is how many arguments a command takes.
func takes(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if n := len(args); n < least || n > most {
			return usagef("it is used as: vchatctl %s", cmd.Use)
		}
		return nil
	}
}

// first is the first argument, or "".
func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
