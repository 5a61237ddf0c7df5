package main

import (
	"github.com/spf13/cobra"

	"vchat/daemon/client"
)

func (a *app) answerCmd() *cobra.Command {
	return a.onCall("answer [PEER]", "Take the call that rings here", "there is no call to answer", (*client.Client).Answer)
}
