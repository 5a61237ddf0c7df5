package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"vchat/daemon/api"
)

// versions is the answer of version and --version.
type versions struct {
	Version string `json:"version"`
	Daemon  string `json:"daemon,omitempty"`
}

func (a *app) versionCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of vchatctl and, if it runs, vchatd",
		Args:  argCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := versions{Version: api.Version}
			if s, err := a.client().Status(cmd.Context()); err == nil {
				v.Daemon = s.Version
			}
			return a.print(v, func(w io.Writer) {
				fmt.Fprintf(w, "vchatctl %s\n", v.Version)
				if v.Daemon != "" {
					fmt.Fprintf(w, "vchatd %s\n", v.Daemon)
				}
			})
		},
	}
}
