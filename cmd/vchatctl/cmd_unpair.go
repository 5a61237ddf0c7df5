package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func (a *app) unpairCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "unpair PEER",
		Short: "Forget a peer made by pairing",
		Long: `Forget a peer made by pairing, given by its name or id. A call with it ends. A peer of the
configuration file is removed there.`,
		Args:              argCount(1, 1),
		ValidArgsFunction: a.completePeers(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkPeerArg(args[0]); err != nil {
				return err
			}
			p, err := a.client().Unpair(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.print(p, func(w io.Writer) {
				fmt.Fprintf(w, "unpaired from %s; to pair again: vchatctl pair\n", p.Name)
			})
		},
	}
}
