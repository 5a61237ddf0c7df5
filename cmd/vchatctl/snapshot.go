package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

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
			if file == "" {
				return usagef("the file needs a name")
			}
			if file == "-" && a.onTerminal() {
				return usagef("a picture is nothing for a terminal: redirect it, or name a file")
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
				return a.noPicture(cmd.Context(), feed)
			}
			if f.Age > oldPicture {
				fmt.Fprintf(a.stderr, "vchatctl: the newest picture of %s is %s old\n", feed, span(f.Age))
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

// oldPicture is the age from which a picture does not show the present any more.
const oldPicture = 2 * time.Second

// noPicture says why a peer sends a card in place of its camera's pictures.
func (a *app) noPicture(ctx context.Context, peer string) error {
	e := &api.Error{Kind: api.CameraUnavailable, Message: "the camera of " + peer + " gives no picture"}
	s, err := a.client().Status(ctx)
	if err != nil {
		return e
	}
	for _, c := range s.Calls {
		if c.Peer == peer && c.PeerCamera != nil {
			e.Message = join(": ", e.Message, c.PeerCamera.Reason)
		}
	}
	return e
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
	err := replace(path, data)
	// The name of the file that is written first is of no use to anybody.
	var of *fs.PathError
	var rename *os.LinkError
	if errors.As(err, &of) {
		err = of.Err
	} else if errors.As(err, &rename) {
		err = rename.Err
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func replace(path string, data []byte) error {
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
