package main

import (
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

func (a *app) reloadCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Make vchatd read its configuration file again",
		Long: `Make vchatd read its configuration file again, and wait until it is in effect. Calls that the change
does not affect continue. A file with a fault is refused whole: vchatd continues with what it had, and
status shows the fault until a good file is loaded.`,
		Args: argCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir := os.Getenv("RUNTIME_DIRECTORY"); dir != "" && os.Getenv("VCHAT_SOCKET") == "" &&
				!cmd.Flags().Changed("socket") { // run by systemd: the socket of this unit
				a.socket = filepath.Join(dir, "control.sock")
			}
			r, err := a.client().Reload(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(r, func(io.Writer) {})
		},
	}
}
