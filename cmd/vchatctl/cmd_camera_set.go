package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vchat/daemon/api"
)

func (a *app) cameraSetCmd() *cobra.Command {
	var device string
	cmd := &cobra.Command{
		Use:   "set NAME=VALUE…",
		Short: "Set a camera's controls, also while it streams",
		Long: `Set a camera's controls. The command controls lists the names. A value is a number, on, off, or
a menu entry, as in power_line_frequency=50hz. It takes effect at once. For the camera that this
device uses, it is set again whenever the camera is opened, also after a restart, unless the
configuration file has a value under camera.controls: then it lasts until vchatd stops.`,
		Args: argCount(1, anyNumber),
		RunE: func(cmd *cobra.Command, args []string) error {
			want, err := parseSettings(args)
			if err != nil {
				return err
			}
			c, err := a.client().SetControls(cmd.Context(), api.ControlsRequest{Device: device, Controls: want})
			if err != nil {
				return err
			}
			if c.NotSaved != "" {
				a.logf("set until vchatd stops: %s", c.NotSaved)
			}
			return a.print(c, func(w io.Writer) { writeChanges(w, c) })
		},
	}
	addDeviceFlag(cmd, &device)
	cmd.ValidArgsFunction = a.completeControls(&device)
	return cmd
}

// parseSettings parses arguments of the form NAME=VALUE.
func parseSettings(args []string) (map[string]string, error) {
	want := map[string]string{}
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		name = controlName(name)
		if !ok || name == "" || strings.TrimSpace(value) == "" {
			return nil, usagef("%q is not NAME=VALUE", arg)
		}
		if _, twice := want[name]; twice {
			return nil, usagef("%s is set twice", name)
		}
		want[name] = strings.TrimSpace(value)
	}
	return want, nil
}

// controlName converts a name as other programs show it, such as "Power Line
// Frequency", to the daemon's: power_line_frequency.
func controlName(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}), "_")
}

func writeChanges(w io.Writer, all api.Controls) {
	for _, change := range all.Changed {
		i := slices.IndexFunc(all.Controls, func(c api.Control) bool { return c.Name == change.Name })
		if i < 0 {
			continue // an earlier setting has removed this control
		}
		c := all.Controls[i]
		if c.Type == "button" {
			fmt.Fprintf(w, "%s: pressed\n", c.Name)
			continue
		}
		fmt.Fprintf(w, "%s: %s → %s\n", c.Name, valueText(c, change.From), valueText(c, change.To))
	}
}

// completeControls completes control names and, after the =, their values.
func (a *app) completeControls(device *string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		all, err := a.client().Controls(ctx, *device)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		name, _, hasName := strings.Cut(typed, "=")
		var offers []string
		for _, c := range all.Controls {
			switch {
			case c.ReadOnly:
			case !hasName:
				offers = append(offers, c.Name+"=")
			case c.Name == name:
				for _, value := range choices(c) {
					offers = append(offers, name+"="+value)
				}
			}
		}
		if hasName {
			return offers, cobra.ShellCompDirectiveNoFileComp
		}
		return offers, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// choices returns the values of a control that has a list of them. Menu entries
// are returned as names: a shell would split them at their spaces.
func choices(c api.Control) []string {
	switch c.Type {
	case "bool":
		return []string{"on", "off"}
	case "button":
		return []string{"on"}
	}
	var all []string
	for _, m := range c.Menu {
		all = append(all, controlName(m.Name))
	}
	return all
}
