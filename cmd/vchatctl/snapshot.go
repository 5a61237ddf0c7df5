package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"vchat/daemon/api"
)

func (a *app) snapshotCmd() *cobra.Command {
	return &cobra.Command{
		Use:               "snapshot [PEER|self] FILE.jpg|-",
		Short:             "Save the newest picture of a feed; - is standard output",
		Args:              takes(1, 2),
		ValidArgsFunction: a.completeSnapshot,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, file := "", args[len(args)-1]
			if len(args) == 2 {
				name = args[0]
			}
			feed, err := a.feed(cmd.Context(), name)
			if err != nil {
				return err
			}
			f, err := a.client().Newest(cmd.Context(), feed)
			if err != nil {
				return err
			}
			if f.Card {
				return &api.Error{Kind: api.CameraUnavailable, Message: "the camera of " + feed + " gives no picture",
					Hint: "vchatctl view " + feed + " shows why"}
			}
			if file == "-" {
				_, err = a.stdout.Write(f.Data)
			} else {
				err = save(file, f.Data)
			}
			if err != nil {
				return fmt.Errorf("saving the picture: %w", err)
			}
			return nil
		},
	}
}

func (a *app) completeSnapshot(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault // a file
	}
	names, _ := a.completePeers(api.Self)(cmd, args, prefix)
	return names, cobra.ShellCompDirectiveDefault
}

// save writes a file that is there as a whole or not at all. What is no ordinary file is written as it is.
func save(path string, data []byte) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return os.WriteFile(path, data, 0o644)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".vchat-*.jpg")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after the rename there is nothing of that name
	if _, err := f.Write(data); err != nil {
		f.Close()
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
