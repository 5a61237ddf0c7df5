package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"vchat/daemon/api"
	"vchat/daemon/client"
)

func (a *app) cameraCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "camera [list|formats|controls|set NAME=VALUE…]",
		Short: "The cameras of this device, what they offer, and their controls",
		Long: `The cameras of this device: list (also without a word) shows all that there are, formats and controls show
what one offers, and set changes controls, also while its frames are looked at. None of it disturbs a call.`,
		Args: takes(0, 0),
		RunE: a.cameraList,
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "list",
		Short: "The cameras that there are, and who uses them",
		Args:  takes(0, 0),
		RunE:  a.cameraList,
	}, cameraQuestion(a, "formats", "The formats, sizes and rates that a camera offers", (*client.Client).Formats, writeFormats),
		cameraQuestion(a, "controls", "What can be set of a camera, and how it is set", (*client.Client).Controls, writeControls),
		a.cameraSetCmd())
	return cmd
}

// cameraQuestion is a command that asks a camera, and writes what it answers.
func cameraQuestion[T any](a *app, use, short string, ask func(*client.Client, context.Context, string) (T, error), write func(io.Writer, T)) *cobra.Command {
	var device string
	return ofCamera(&cobra.Command{
		Use:   use,
		Short: short,
		Args:  takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			answer, err := ask(a.client(), cmd.Context(), device)
			if err != nil {
				return err
			}
			return a.print(answer, func(w io.Writer) { write(w, answer) })
		},
	}, &device)
}

// ofCamera lets a command be about another camera than the one that is configured.
func ofCamera(cmd *cobra.Command, device *string) *cobra.Command {
	cmd.Flags().StringVar(device, "device", "", "the camera, as /dev/video2 (default the one that is configured)")
	return cmd
}

func (a *app) cameraList(cmd *cobra.Command, _ []string) error {
	all, err := a.client().Cameras(cmd.Context())
	if err != nil {
		return err
	}
	switch {
	case all.Privacy:
		a.tell("privacy is on: no camera is opened to look at it")
	case len(all.Cameras) == 0:
		a.tell("no camera is connected; ls /dev/video* shows what the kernel has")
	}
	return a.print(all, func(w io.Writer) { writeCameras(w, all) })
}

// writeCameras is a line for each camera, and below it what is longer.
func writeCameras(w io.Writer, all api.Cameras) {
	var rows strings.Builder
	table(&rows, func(w io.Writer) {
		for _, c := range all.Cameras {
			node := c.Node
			if node == "" {
				node = c.Path
			}
			name := c.Name
			if name == "" {
				name = "-"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", node, name, strings.Join(c.Formats, " "), usedBy(c, all.Privacy))
		}
	})
	for i, row := range strings.Split(strings.TrimSuffix(rows.String(), "\n"), "\n") {
		if i >= len(all.Cameras) {
			return // there is none
		}
		fmt.Fprintln(w, strings.TrimRight(row, " "))
		c := all.Cameras[i]
		if c.Node != "" && c.Path != c.Node {
			fmt.Fprintf(w, "    %s\n", c.Path)
		}
		if where := join(" at ", c.Driver, c.Bus); where != "" {
			fmt.Fprintf(w, "    %s\n", where)
		}
		if c.Reason != "" {
			fmt.Fprintf(w, "    %s\n", c.Reason)
		}
	}
}

// usedBy says what a camera is doing and for whom.
func usedBy(c api.CameraInfo, privacy bool) string {
	here, others := "", ""
	switch {
	case c.Used && privacy:
		here = "used here: off (privacy)"
	case c.Used:
		here = "used here: " + string(c.State)
	}
	if len(c.InUseBy) > 0 {
		others = "in use by " + strings.Join(c.InUseBy, ", ")
	}
	return join("; ", here, others)
}
