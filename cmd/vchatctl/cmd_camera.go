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
		Use:   "camera [list|formats|controls|set NAME=VALUE…|use DEVICE]",
		Short: "List cameras, choose one, show formats, get and set controls",
		Long: `List the cameras of this device (list, the default), show the formats or controls of one, set its
controls, or choose the camera to use. Only use interrupts the picture, for a moment; no command
interrupts a call.`,
		Args: argCount(0, 0),
		RunE: a.cameraList,
	}
	cmd.AddCommand(
		&cobra.Command{
			Use:   "list",
			Short: "List cameras and the programs using them",
			Args:  argCount(0, 0),
			RunE:  a.cameraList,
		},
		cameraQueryCmd(a, cameraQuery[api.Formats]{
			use:   "formats",
			short: "Show a camera's formats, sizes and frame rates",
			query: (*client.Client).Formats,
			write: writeFormats,
		}),
		cameraQueryCmd(a, cameraQuery[api.Controls]{
			use:   "controls",
			short: "Show a camera's controls and their values",
			query: (*client.Client).Controls,
			write: writeControls,
		}),
		a.cameraSetCmd(),
		a.cameraUseCmd(),
	)
	return cmd
}

// cameraQuery describes a command that queries a camera and writes the answer.
type cameraQuery[T any] struct {
	use, short string
	query      func(*client.Client, context.Context, string) (T, error)
	write      func(io.Writer, T)
}

func cameraQueryCmd[T any](a *app, q cameraQuery[T]) *cobra.Command {
	var device string
	cmd := &cobra.Command{
		Use:   q.use,
		Short: q.short,
		Args:  argCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			answer, err := q.query(a.client(), cmd.Context(), device)
			if err != nil {
				return err
			}
			return a.print(answer, func(w io.Writer) { q.write(w, answer) })
		},
	}
	addDeviceFlag(cmd, &device)
	return cmd
}

func addDeviceFlag(cmd *cobra.Command, device *string) {
	cmd.Flags().StringVar(device, "device", "", "camera, such as /dev/video2 (default: the configured one)")
}

func (a *app) cameraList(cmd *cobra.Command, _ []string) error {
	all, err := a.client().Cameras(cmd.Context())
	if err != nil {
		return err
	}
	switch {
	case all.Privacy:
		a.noticef("privacy is on: cameras stay closed, so details are missing")
	case len(all.Cameras) == 0:
		a.noticef("no camera is connected; ls /dev/video* shows the kernel's devices")
	}
	choice := ""
	if s, err := a.client().Status(cmd.Context()); err == nil {
		choice = choiceText(s.Camera.Choice)
	}
	return a.print(all, func(w io.Writer) { writeCameras(w, all, choice) })
}

// writeCameras writes a line for each camera and, below it, its details. choice
// says who has chosen the one that is used here.
func writeCameras(w io.Writer, all api.Cameras, choice string) {
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
			return // no cameras: Split returned one empty row
		}
		fmt.Fprintln(w, strings.TrimRight(row, " "))
		c := all.Cameras[i]
		if c.Node != "" && c.Path != c.Node {
			fmt.Fprintf(w, "    %s\n", c.Path)
		}
		if driver := join(" at ", c.Driver, c.Bus); driver != "" {
			fmt.Fprintf(w, "    %s\n", driver)
		}
		if c.Used && choice != "" {
			fmt.Fprintf(w, "    %s\n", choice)
		}
		if c.Reason != "" {
			fmt.Fprintf(w, "    %s\n", c.Reason)
		}
	}
}

// usedBy returns a camera's use by vchatd and by other programs.
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
