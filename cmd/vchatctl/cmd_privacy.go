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
		Short: "Turn the camera off for everyone, or allow it again",
		Long: `Turn the camera off for everyone at once, or allow it again. It stays off across restarts. Peers see
a card instead; only this command turns the camera on again. Without an argument, print on or off.`,
		Args:      argCount(0, 1),
		ValidArgs: []string{"on", "off"},
		RunE: func(cmd *cobra.Command, args []string) error {
			on, err := a.privacy(cmd.Context(), firstArg(args))
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

func (a *app) privacy(ctx context.Context, setting string) (on bool, err error) {
	switch setting {
	case "on", "off":
		on = setting == "on"
		return on, a.client().SetPrivacy(ctx, on)
	case "":
		return a.client().Privacy(ctx)
	}
	return false, usagef("privacy must be on or off, got %q", setting)
}
