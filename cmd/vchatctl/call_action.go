package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"vchat/daemon/api"
	"vchat/daemon/client"
)

// onCall makes a command that does one thing to a call that is there; missing says that there is none.
func (a *app) onCall(use, short, missing string, do func(*client.Client, context.Context, string) (api.Call, error)) *cobra.Command {
	return &cobra.Command{
		Use:               use,
		Short:             short,
		Long:              short + ". PEER is needed where several are meant.",
		Args:              takes(0, 1),
		ValidArgsFunction: a.completePeers(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := do(a.client(), cmd.Context(), first(args))
			var refused *api.Error
			if errors.As(err, &refused) && refused.Kind == api.NoSuchCall {
				return &api.Error{Kind: refused.Kind, Message: join(" with ", missing, first(args)), Hint: refused.Hint}
			}
			if err != nil {
				return err
			}
			if c.State == api.CallActive {
				a.tellWhatNext()
			}
			return a.print(c, func(io.Writer) {})
		},
	}
}
