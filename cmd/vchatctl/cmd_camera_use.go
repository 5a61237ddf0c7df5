package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"vchat/daemon/api"
)

func (a *app) cameraUseCmd() *cobra.Command {
	var req api.CameraRequest
	cmd := &cobra.Command{
		Use:   "use DEVICE|auto",
		Short: "Choose the camera of this device",
		Long: `Choose the camera of this device: a path such as /dev/video2, as camera list shows it, or auto for
the first usable camera, or test for the test card. It takes effect at once, also in a call, and
survives a restart and another order of plugging in. Without --size and --fps, the camera uses
those of the configuration file. What that file sets under camera cannot be chosen here; the
command says in which line it is.`,
		Args:              argCount(1, 1),
		ValidArgsFunction: a.completeCameras,
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Device = args[0]
			if cmd.Flags().Changed("fps") && (req.FPS < 1 || req.FPS > 240) {
				return usagef("--fps must be from 1 to 240, not %d", req.FPS)
			}
			c, err := a.client().UseCamera(cmd.Context(), req)
			if err != nil {
				return err
			}
			return a.print(c, func(w io.Writer) {
				fmt.Fprintln(w, join("  ", c.Device, c.Name, fmt.Sprintf("%s at %d fps", c.Size, c.FPS)))
			})
		},
	}
	cmd.Flags().StringVar(&req.Size, "size", "", "frame size, such as 1280x720")
	cmd.Flags().IntVar(&req.FPS, "fps", 0, "frames a second")
	_ = cmd.RegisterFlagCompletionFunc("size", cobra.FixedCompletions(nil, noFiles))
	_ = cmd.RegisterFlagCompletionFunc("fps", cobra.FixedCompletions(nil, noFiles))
	return cmd
}

// completeCameras completes the first argument: the nodes of cameras, and auto.
func (a *app) completeCameras(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFiles
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
	defer cancel()
	var devices []string
	if all, err := a.client().Cameras(ctx); err == nil {
		for _, c := range all.Cameras {
			if c.Node != "" {
				devices = append(devices, c.Node)
			}
		}
	}
	return append(devices, "auto"), noFiles
}

// choiceText says who has chosen the camera.
func choiceText(c api.CameraChoice) string {
	switch {
	case c.By == api.ChosenByUser:
		return "chosen with camera use"
	case c.By == api.ChosenByConfig && c.Line > 0:
		return fmt.Sprintf("chosen in %s:%d", c.File, c.Line)
	case c.By == api.ChosenByConfig:
		return "chosen in the configuration"
	case c.By == api.ChosenByNobody:
		return "chosen automatically"
	}
	return "" // an older daemon
}
