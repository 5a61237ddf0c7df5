package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"vchat/daemon/api"
)

func (a *app) peersCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "peers",
		Short: "List known peers and devices on the network, and the connections",
		Long: `List the known peers: name, address, where it comes from (config or paired), and the connection. A
peer that announces itself on the local network has "seen at" with its address there.

Devices on the network that are no peers come last. Names and addresses there are what each device
claims about itself. vchatctl pair NAME makes one of them a peer.`,
		Args: argCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			known, err := a.client().Network(cmd.Context())
			if err != nil {
				return err
			}
			if len(known.Peers) == 0 {
				a.noticef("no peers are known; see vchatctl pair --help")
			}
			seen := map[string]string{} // by peer
			for _, d := range known.Devices {
				seen[d.Peer] = "seen " + seenText(d)
			}
			return a.print(known, func(w io.Writer) {
				table(w, func(w io.Writer) {
					for _, p := range known.Peers {
						auto := ""
						if p.AutoAnswer {
							auto = "auto-answer"
						}
						link := join("  ", linkText(&p.Link), p.Link.Reason, auto, seen[p.Name])
						fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.Name, p.Address, p.Source, link)
					}
					for _, d := range known.Devices {
						if d.Peer == "" {
							fmt.Fprintf(w, "%q\t%s\tseen\tno peer  for %s  id %s\n", d.Name, join(", ", d.Addresses...),
								sinceText(d), d.ID)
						}
					}
				})
			})
		},
	}
}

// seenText returns where a device announces itself, and since when.
func seenText(d api.Device) string {
	return fmt.Sprintf("at %s for %s", join(", ", d.Addresses...), sinceText(d))
}

func sinceText(d api.Device) string { return durationText(time.Duration(d.SinceMS) * time.Millisecond) }
