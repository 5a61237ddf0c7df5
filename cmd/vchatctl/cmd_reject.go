package main

import (
	"github.com/spf13/cobra"

	"vchat/daemon/client"
)

func (a *app) rejectCmd() *cobra.Command {
	return a.callActionCmd(callAction{
		use:         "reject [PEER]",
		short:       "Decline an incoming call",
		noCall:      "no incoming call",
		preposition: "from",
		do:          (*client.Client).Reject,
	})
}
