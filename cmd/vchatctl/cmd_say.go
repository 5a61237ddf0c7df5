package main

import (
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"vchat/daemon/api"
)

func (a *app) sayCmd() *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "say [--to PEER] TEXT…",
		Short: "Say a line of text to the other side of the call",
		Long: `Say a line of text to the other side of the call: every viewer there shows it, and so does events. Several words are one
line; options stand before them. It is said in a call only, and not while its link is lost.`,
		Example: "  vchatctl say tea is ready",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("it is used as: vchatctl say TEXT…")
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !utf8.ValidString(strings.Join(args, " ")) { // JSON would turn it into question marks
				return usagef("the text is not UTF-8")
			}
			text := strings.TrimRight(strings.Join(args, " "), "\n") // as of "$(fortune)"
			if err := a.client().Say(cmd.Context(), to, text); err != nil {
				return err
			}
			return a.print(api.Message{Peer: to, Text: text}, func(io.Writer) {})
		},
	}
	cmd.Flags().SetInterspersed(false) // a text may hold what looks like an option
	cmd.Flags().StringVar(&to, "to", "", "the peer, where there are several calls")
	_ = cmd.RegisterFlagCompletionFunc("to", a.completePeers())
	return cmd
}
