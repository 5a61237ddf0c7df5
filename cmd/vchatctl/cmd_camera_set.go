package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vchat/daemon/api"
)

func (a *app) cameraSetCmd() *cobra.Command {
	var device string
	cmd := ofCamera(&cobra.Command{
		Use:   "set NAME=VALUE…",
		Short: "Set controls of a camera, also while it streams",
		Long: `Set controls of a camera, by the names that controls shows. A value is a number, on, off, or an entry of a menu, as in
power_line_frequency=50hz. It takes effect at once and lasts until vchatd ends, or reads another value for it in the
configuration file, whatever becomes of the camera meanwhile; camera.controls in that file lasts for good.`,
		Args: atLeastOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			want, err := wishes(args)
			if err != nil {
				return err
			}
			c, err := a.client().SetControls(cmd.Context(), api.ControlsRequest{Device: device, Controls: want})
			if err != nil {
				return err
			}
			if lines := yamlOf(c, want); c.Kept && lines != "" {
				a.tell("hint: it lasts until vchatd ends; for good by this line under camera in /etc/vchat.yaml:\n  controls: {%s}", lines)
			}
			return a.print(c, func(w io.Writer) { writeChanges(w, c) })
		},
	}, &device)
	cmd.ValidArgsFunction = a.completeControls(&device)
	return cmd
}

func atLeastOne(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("it is used as: vchatctl camera %s", cmd.Use)
	}
	return nil
}

// wishes reads NAME=VALUE.
func wishes(args []string) (map[string]string, error) {
	want := map[string]string{}
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		name = controlName(name)
		if !ok || name == "" || strings.TrimSpace(value) == "" {
			return nil, usagef("%q is not NAME=VALUE", arg)
		}
		if _, twice := want[name]; twice {
			return nil, usagef("%s is to be set twice", name)
		}
		want[name] = strings.TrimSpace(value)
	}
	return want, nil
}

// controlName is a name as the daemon has it, of what people copy from elsewhere: "Power Line Frequency".
func controlName(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}), "_")
}

func writeChanges(w io.Writer, all api.Controls) {
	for _, change := range all.Changed {
		i := slices.IndexFunc(all.Controls, func(c api.Control) bool { return c.Name == change.Name })
		if i < 0 {
			continue // gone with what was set before it
		}
		c := all.Controls[i]
		if c.Type == "button" {
			fmt.Fprintf(w, "%s: pressed\n", c.Name)
			continue
		}
		fmt.Fprintf(w, "%s: %s → %s\n", c.Name, valueText(c, change.From), valueText(c, change.To))
	}
}

// plain are the values that YAML takes for a text as they stand.
var plain = regexp.MustCompile(`^[-A-Za-z0-9][A-Za-z0-9_.]*( [A-Za-z0-9_.]+)*$`)

// yamlOf is what was set as it is written in the configuration file. To press a button each time would be odd.
func yamlOf(all api.Controls, want map[string]string) string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if slices.ContainsFunc(all.Controls, func(c api.Control) bool { return c.Name == name && c.Type == "button" }) {
			continue
		}
		value := want[name]
		if !plain.MatchString(value) {
			value = strconv.Quote(value)
		}
		lines = append(lines, name+": "+value)
	}
	return strings.Join(lines, ", ")
}

// completeControls offers names, and after the = what there is to choose from.
func (a *app) completeControls(device *string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), time.Second)
		defer cancel()
		all, err := a.client().Controls(ctx, *device)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		name, _, valued := strings.Cut(typed, "=")
		var offers []string
		for _, c := range all.Controls {
			switch {
			case c.ReadOnly:
			case !valued:
				offers = append(offers, c.Name+"=")
			case c.Name == name:
				for _, value := range choices(c) {
					offers = append(offers, name+"="+value)
				}
			}
		}
		if valued {
			return offers, cobra.ShellCompDirectiveNoFileComp
		}
		return offers, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// choices are the values of a control that has few. An entry is found without its blanks, which a shell would stumble over.
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
