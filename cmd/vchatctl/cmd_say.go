package main

import (
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"vchat/daemon/api"
)

func (a *app) sayCmd() *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "say [--to PEER] TEXT…",
		Short: "Send a message to the peer of a call",
		Long: `Send a message, one line of text, to the peer of a call. The peer's viewers show it, and its
events print it. Several words are one message; put flags before them. A message needs a call
with a working connection.`,
		Example:           "  vchatctl say tea is ready",
		Args:              argCount(1, anyNumber),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !utf8.ValidString(strings.Join(args, " ")) { // JSON would replace the bytes
				return usagef("the text is not UTF-8")
			}
			text := strings.TrimRight(strings.Join(args, " "), "\n") // as from "$(fortune)"
			if err := a.client().Say(cmd.Context(), to, text); err != nil {
				return err
			}
			return a.printJSON(api.Message{Peer: to, Text: text})
		},
	}
	cmd.Flags().SetInterspersed(false) // words of the text may look like flags
	cmd.Flags().StringVar(&to, "to", "", "the peer, if there are several calls")
	_ = cmd.RegisterFlagCompletionFunc("to", a.completePeers())
	return cmd
}
