package main

import (
	"github.com/spf13/cobra"

	"vchat/daemon/client"
)

func (a *app) answerCmd() *cobra.Command {
	return a.callActionCmd(callAction{
		use:         "answer [PEER]",
		short:       "Answer an incoming call",
		noCall:      "no incoming call",
		preposition: "from",
		do:          (*client.Client).Answer,
	})
}
