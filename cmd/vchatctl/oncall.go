package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"vchat/daemon/api"
	"vchat/daemon/client"
)

// onCall makes a command that does one thing to a call that is there.
func (a *app) onCall(use, short string, do func(*client.Client, context.Context, string) (api.Call, error)) *cobra.Command {
	return &cobra.Command{
		Use:               use,
		Short:             short,
		Args:              takes(0, 1),
		ValidArgsFunction: a.completePeers(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := do(a.client(), cmd.Context(), first(args))
			if err != nil {
				return err
			}
			return a.print(c, func(io.Writer) {})
		},
	}
}
