package main

import (
	"github.com/spf13/cobra"

	"vchat/daemon/client"
)

func (a *app) rejectCmd() *cobra.Command {
	return a.onCall("reject [PEER]", "Decline the call that rings here", "there is no call to decline", (*client.Client).Reject)
}
