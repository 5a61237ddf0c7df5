package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"vchat/daemon/api"
)

func (a *app) snapshotCmd() *cobra.Command {
	return &cobra.Command{
		Use:               "snapshot [PEER|self] FILE.jpg|-",
		Short:             "Save the newest frame of a feed; - is standard output",
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
			if len(args) == 1 && filepath.Ext(file) == "" && file != "-" && a.mayCome(cmd.Context(), file) == nil {
				return usagef("%s is whose frame it is: name its file too, as in vchatctl snapshot %s %s.jpg", file, file, file)
			}
			if file == "-" && a.onTerminal() {
				return usagef("a frame is nothing for a terminal: redirect it, or name a file")
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
				return a.noFrame(cmd.Context(), feed)
			}
			if f.Age > oldFrame {
				fmt.Fprintf(a.stderr, "vchatctl: the newest frame of %s is %s old\n", feed, span(f.Age))
			}
			if file == "-" {
				_, err = a.stdout.Write(f.Data)
			} else {
				err = save(file, f.Data)
			}
			if err != nil {
				return fmt.Errorf("saving the frame: %w", err)
			}
			return nil
		},
	}
}

// oldFrame is the age from which a frame does not show the present any more.
const oldFrame = 2 * time.Second

func (a *app) completeSnapshot(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault // a file
	}
	names, _ := a.completePeers(api.Self)(cmd, args, prefix)
	return names, cobra.ShellCompDirectiveDefault
}

// save writes a file that is there as a whole or not at all, after a power cut too. What is no ordinary file is written as it is.
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
		return os.WriteFile(path, data, 0o666)
	} else if real, linkErr := filepath.EvalSymlinks(path); err == nil && linkErr == nil {
		path = real // what a link leads to is meant, not the link
	}
	f, err := newFile(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after the rename there is nothing of that name
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync() // or a power cut may leave the new name with nothing behind it
	}
	if err := cmp.Or(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// newFile makes a file of a name that nobody else has, with the rights that the umask leaves; os.CreateTemp gives it fewer.
func newFile(dir string) (*os.File, error) {
	for {
		f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf(".vchat-%08x.jpg", rand.Uint32())), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}
