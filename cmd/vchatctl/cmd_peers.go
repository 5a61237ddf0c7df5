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
		Short: "List known peers, where they come from, and their connections",
		Args:  argCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			peers, err := a.client().Peers(cmd.Context())
			if err != nil {
				return err
			}
			if len(peers) == 0 {
				a.noticef("no peers are known; see vchatctl pair --help")
			}
			return a.print(api.Peers{Peers: peers}, func(w io.Writer) {
				table(w, func(w io.Writer) {
					for _, p := range peers {
						auto := ""
						if p.AutoAnswer {
							auto = "auto-answer"
						}
						link := join("  ", linkText(&p.Link), p.Link.Reason, auto)
						fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.Name, p.Address, p.Source, link)
					}
				})
			})
		},
	}
}
