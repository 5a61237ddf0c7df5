package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"vchat/daemon/api"
	"vchat/daemon/client"
)

// completionTimeout bounds a completion: the shell waits for it on each Tab.
const completionTimeout = time.Second

// app is one run of vchatctl.
type app struct {
	stdin, stdout, stderr *os.File

	socket  string
	json    bool
	console string        // --tty of view; "" means the console the program runs on
	idle    time.Duration // --idle of view
	started bool          // cobra has accepted the command line

	conn *client.Client
}

// root returns the command tree.
//
// To add a command:
//  1. Write cmd_NAME.go with func (a *app) nameCmd() *cobra.Command.
//  2. Check arguments with argCount; return usagef for wrong usage.
//  3. Ask the daemon through a.client(), with cmd.Context().
//  4. Write the result with a.print, so that --json works; use a.noticef for
//     remarks to a user at a terminal.
//  5. Map new errors to exit codes and hints in exit.go.
//  6. Add it to the list below and write testdata/NAME.txt.
func (a *app) root() *cobra.Command {
	var version bool
	root := &cobra.Command{
		Use:   "vchatctl",
		Short: "Video calls between devices",
		Long: `vchatctl controls vchatd, the daemon for video calls between devices:

  vchatctl camera       list the cameras
  vchatctl view self    show the picture of this device; q quits
  vchatctl pair --wait  wait for another device, on which you run vchatctl pair NAME or ADDRESS
  vchatctl call PEER    call it; there, vchatctl answer answers
  vchatctl view         show the picture of the other device
  vchatctl hangup       end the call
  vchatctl status       show all of this device, and what is wrong

Data goes to standard output, messages go to standard error. With --json each message is one line
of JSON: {"error": {"kind": "…", "message": "…", "hint": "…"}} or {"remark": "…"}. man vchat
describes the whole.

` + exitCodes,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		PersistentPreRun:  func(*cobra.Command, []string) { a.started = true },
		RunE: func(cmd *cobra.Command, _ []string) error {
			if version {
				return a.print(versions{Version: api.Version}, func(w io.Writer) {
					fmt.Fprintf(w, "vchatctl %s\n",
						api.Version)
				})
			}
			if !a.json {
				cmd.SetOut(a.stderr)
				_ = cmd.Usage()
			}
			return usagef("missing command")
		},
	}
	// cobra's own --version needs a template. Templates call methods by name,
	// so that the linker keeps every method of the program.
	root.Flags().BoolVarP(&version, "version", "v", false, "print the version of vchatctl")
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(flagError)
	root.PersistentFlags().StringVar(&a.socket, "socket", cmp.Or(os.Getenv("VCHAT_SOCKET"), api.DefaultSocket),
		"control socket of vchatd; also $VCHAT_SOCKET")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON")
	root.SetHelpCommand(helpCmd())
	root.AddCommand(
		a.statusCmd(), a.peersCmd(), a.pairCmd(), a.peerCmd(), a.unpairCmd(),
		a.callCmd(), a.answerCmd(), a.rejectCmd(), a.hangupCmd(), a.sayCmd(),
		a.viewCmd(), a.snapshotCmd(), a.recordCmd(),
		a.cameraCmd(), a.privacyCmd(), a.feedsCmd(),
		a.doctorCmd(), a.reloadCmd(), a.eventsCmd(), a.apiCmd(), a.idCmd(), a.completionCmd(), a.versionCmd(),
	)
	return root
}

// flagValues says what a value of a flag must be, by the flag's type.
var flagValues = map[string]string{
	"bool":     "true or false",
	"duration": "a time such as 30s or 2m",
	"float64":  "a number",
	"int":      "a whole number",
}

// flagError returns an error in a flag in the words of the user, without those
// of the package strconv.
func flagError(_ *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	flag := invalid.GetFlag()
	return usagef("--%s must be %s, got %q", flag.Name, flagValues[flag.Value.Type()], invalid.GetValue())
}

// helpCmd returns the command help. cobra's own one knows no wrong usage.
func helpCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Print help about a command",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			if of, rest, err := cmd.Root().Find(args); err == nil && len(rest) == 0 {
				for _, c := range of.Commands() {
					if !c.Hidden {
						names = append(names, c.Name())
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			of, rest, err := cmd.Root().Find(args)
			if err != nil {
				return usageError{err}
			}
			if len(rest) > 0 {
				return usagef("unknown command %q for %q", rest[0], of.CommandPath())
			}
			of.InitDefaultHelpFlag()
			return of.Help()
		},
	}
}

// client returns the connection to the daemon. It is created on first use,
// after the flags have set the socket.
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

// completePeers completes the first argument: the daemon's peers, then more.
func (a *app) completePeers(more ...string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
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

// completeStrangers completes the first argument: the devices on the network
// that are no peers.
func (a *app) completeStrangers(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
	defer cancel()
	known, err := a.client().Network(ctx)
	var names []string
	for _, d := range known.Devices {
		if err == nil && d.Peer == "" && d.Name != "" {
			names = append(names, d.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// anyNumber is a least-only argCount.
const anyNumber = -1

// argCount accepts least to most arguments.
func argCount(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if n := len(args); n < least || most != anyNumber && n > most {
			return usagef("usage: %s", strings.TrimSuffix(cmd.UseLine(), " [flags]"))
		}
		return nil
	}
}

// firstArg returns the first argument, or "".
func firstArg(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
