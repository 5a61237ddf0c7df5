package main

import (
	"github.com/spf13/cobra"

	"vchat/daemon/client"
)

func (a *app) hangupCmd() *cobra.Command {
	return a.callActionCmd(callAction{
		use:         "hangup [PEER]",
		short:       "End a call",
		noCall:      "you are not in a call",
		preposition: "with",
		do:          (*client.Client).Hangup,
	})
}
