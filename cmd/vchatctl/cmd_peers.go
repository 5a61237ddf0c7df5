package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"vchat/daemon/api"
)

func (a *app) peersCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "peers",
		Short: "The devices that this one knows, and whether they are reachable",
		Args:  takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			peers, err := a.client().Peers(cmd.Context())
			if err != nil {
				return err
			}
			if len(peers) == 0 {
				a.tell("no peers are known yet: they stand under peers in the configuration")
			}
			return a.print(api.Peers{Peers: peers}, func(w io.Writer) {
				table(w, func(w io.Writer) {
					for _, p := range peers {
						auto := ""
						if p.AutoAnswer {
							auto = "answered by itself"
						}
						fmt.Fprintf(w, "%s\t%s\t%s\n", p.Name, p.Address, join("  ", linkText(&p.Link), p.Link.Reason, auto))
					}
				})
			})
		},
	}
}
