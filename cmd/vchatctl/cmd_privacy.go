package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"vchat/daemon/api"
)

func (a *app) privacyCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "privacy [on|off]",
		Short: "Close the camera, whoever looks, or let it be opened again",
		Long: `Close the camera at once and keep it closed, whoever looks and also after a restart, or let it be opened again. Peers see
a card in place of the camera meanwhile; they cannot change it. Without an argument it says whether privacy is on.`,
		Args:      takes(0, 1),
		ValidArgs: []string{"on", "off"},
		RunE: func(cmd *cobra.Command, args []string) error {
			on, err := a.privacy(cmd.Context(), first(args))
			if err != nil {
				return err
			}
			return a.print(api.Privacy{Privacy: on}, func(w io.Writer) {
				if len(args) == 0 {
					fmt.Fprintln(w, onOff(on))
				}
			})
		},
	}
}

func (a *app) privacy(ctx context.Context, word string) (on bool, err error) {
	switch word {
	case "on", "off":
		on = word == "on"
		return on, a.client().SetPrivacy(ctx, on)
	case "":
		return a.client().Privacy(ctx)
	}
	return false, usagef("privacy is on or off, not %s", word)
}
