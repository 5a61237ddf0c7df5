package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vchat/daemon/api"
)

func (a *app) peerCmd() *cobra.Command {
	var (
		autoAnswer, rename, address, proxy string
		maxBitrate                         float64
	)
	cmd := &cobra.Command{
		Use:   "peer PEER",
		Short: "Show or change the settings of a peer",
		Long: `Show the settings of a peer, given by its name or id. With flags, change them, for a peer made by
pairing. A change takes effect at once and survives a restart; a call and the connection continue.
Only --rename waits for the end of a call, and makes the connection anew.

The settings of a peer in the configuration file are changed there; the command says in which line.`,
		Args:              argCount(1, 1),
		ValidArgsFunction: a.completePeers(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkPeerArg(args[0]); err != nil {
				return err
			}
			var change api.PeerChange
			flags := cmd.Flags()
			if flags.Changed("auto-answer") {
				on := autoAnswer == "on"
				if !on && autoAnswer != "off" {
					return usagef("--auto-answer must be on or off, not %q", autoAnswer)
				}
				change.AutoAnswer = &on
			}
			if flags.Changed("max-bitrate") {
				if !(maxBitrate >= 0 && maxBitrate <= 100_000) {
					return usagef("--max-bitrate must be from 0 to 100000 (Mbit/s), not %v", maxBitrate)
				}
				change.MaxBitrate = &maxBitrate
			}
			if flags.Changed("rename") {
				change.Name = &rename
			}
			if flags.Changed("address") {
				change.Address = &address
			}
			if flags.Changed("proxy") {
				if proxy == "none" {
					proxy = ""
				} else if !strings.HasPrefix(proxy, "socks5://") {
					return usagef("--proxy must be socks5://HOST:PORT or none")
				}
				change.Proxy = &proxy
			}
			if change == (api.PeerChange{}) {
				return a.showPeer(cmd, args[0])
			}
			p, err := a.client().ChangePeer(cmd.Context(), args[0], change)
			if err != nil {
				return err
			}
			return a.print(p, func(w io.Writer) { writePeer(w, p) })
		},
	}
	cmd.Flags().StringVar(&autoAnswer, "auto-answer", "", "answer its calls automatically: on or off")
	cmd.Flags().Float64Var(&maxBitrate, "max-bitrate", 0, "limit of the video sent to it, in Mbit/s; 0 = none")
	cmd.Flags().StringVar(&rename, "rename", "", "another name for it here")
	cmd.Flags().StringVar(&address, "address", "", "where it is dialled, HOST or HOST:PORT; \"\" = not dialled")
	cmd.Flags().StringVar(&proxy, "proxy", "",
		"SOCKS5 proxy by which its address is dialled, socks5://HOST:PORT; none = no proxy")
	_ = cmd.RegisterFlagCompletionFunc("proxy", cobra.FixedCompletions([]string{"none", "socks5://"},
		noFiles|cobra.ShellCompDirectiveNoSpace))
	_ = cmd.RegisterFlagCompletionFunc("auto-answer", cobra.FixedCompletions([]string{"on", "off"}, noFiles))
	for _, name := range []string{"max-bitrate", "rename", "address"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(nil, noFiles))
	}
	return cmd
}

const noFiles = cobra.ShellCompDirectiveNoFileComp

// checkPeerArg refuses a peer's name that would be another path of the API.
func checkPeerArg(name string) error {
	if strings.Contains(name, "/") || strings.Trim(name, ".") == "" {
		return noSuchPeer(name)
	}
	return nil
}

func noSuchPeer(name string) error {
	return &api.Error{Kind: api.NoSuchPeer, Message: fmt.Sprintf("no peer named %q", name),
		Hint: "vchatctl peers lists them"}
}

func (a *app) showPeer(cmd *cobra.Command, nameOrID string) error {
	peers, err := a.client().Peers(cmd.Context())
	if err != nil {
		return err
	}
	for _, p := range peers {
		if p.Name == nameOrID || p.ID == nameOrID {
			return a.print(p, func(w io.Writer) { writePeer(w, p) })
		}
	}
	return noSuchPeer(nameOrID)
}

// writePeer writes a line for each setting of a peer.
func writePeer(w io.Writer, p api.Peer) {
	source := "pairing"
	if p.Source == api.SourceConfig {
		source = p.File
		if p.Line > 0 {
			source = fmt.Sprintf("%s:%d", p.File, p.Line)
		}
	}
	limit := "none"
	if p.MaxBitrate > 0 {
		limit = strconv.FormatFloat(p.MaxBitrate, 'f', -1, 64) + " Mbit/s"
	}
	table(w, func(w io.Writer) {
		for _, line := range [][2]string{
			{"name", p.Name}, {"id", p.ID}, {"address", p.Address}, {"proxy", p.Proxy},
			{"auto-answer", onOff(p.AutoAnswer)},
			{"max-bitrate", limit}, {"link", join("  ", linkText(&p.Link), p.Link.Reason)}, {"from", source},
		} {
			if line[1] != "" {
				fmt.Fprintf(w, "%s\t%s\n", line[0], line[1])
			}
		}
	})
}
