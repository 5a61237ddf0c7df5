package main

import (
	"context"

	"github.com/spf13/cobra"

	"vchat/daemon/api"
	"vchat/daemon/client"
)

// callAction describes a command that does one thing to an existing call.
type callAction struct {
	use, short  string
	noCall      string // the error without such a call: "you are not in a call"
	preposition string // between noCall and the peer: "with"
	do          func(*client.Client, context.Context, string) (api.Call, error)
}

func (a *app) callActionCmd(action callAction) *cobra.Command {
	return &cobra.Command{
		Use:               action.use,
		Short:             action.short,
		Long:              action.short + ". Name the PEER if there are several calls.",
		Args:              argCount(0, 1),
		ValidArgsFunction: a.completePeers(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := action.do(a.client(), cmd.Context(), firstArg(args))
			if refused := refusal(err); refused != nil && refused.Kind == api.NoSuchCall {
				message := join(" "+action.preposition+" ", action.noCall, firstArg(args))
				return &api.Error{Kind: refused.Kind, Message: message, Hint: refused.Hint}
			}
			if err != nil {
				return err
			}
			if c.State == api.CallActive {
				a.notifyNext()
			}
			return a.printJSON(c)
		},
	}
}
