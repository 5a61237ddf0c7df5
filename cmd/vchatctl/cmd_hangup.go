package main

import (
	"github.com/spf13/cobra"

	"vchat/daemon/client"
)

func (a *app) hangupCmd() *cobra.Command {
	return a.onCall("hangup [PEER]", "End a call", "there is no call", (*client.Client).Hangup)
}
