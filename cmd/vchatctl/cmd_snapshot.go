package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vchat/daemon/api"
)

// maxFreshAge is the age above which snapshot warns that a frame is old.
const maxFreshAge = 2 * time.Second

func (a *app) snapshotCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "snapshot [PEER|self] FILE.jpg|FILE.png|-",
		Short: "Save the newest frame of a feed as a JPEG or PNG file",
		Long: `Save the newest frame of a feed as a JPEG or PNG file, or write it as JPEG to standard output
for -. Without a name, use the peer of the only call, or this device's camera if there is no call.
JPEG is the frame as the camera gave it.`,
		Args:              argCount(1, 2),
		ValidArgsFunction: a.completeFeedFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, file := splitFeedFile(args)
			if file == "" {
				return usagef("file name is empty")
			}
			if len(args) == 1 && filepath.Ext(file) == "" && file != "-" && a.checkFeed(cmd.Context(), file) == nil {
				return usagef("missing file name; usage: vchatctl snapshot %s %s.jpg", file, file)
			}
			ext := strings.ToLower(filepath.Ext(file))
			if !slices.Contains([]string{"", ".jpg", ".jpeg", pngExt}, ext) {
				return usagef("%s: unsupported format; use .jpg or .png", file)
			}
			if file == "-" && a.onTerminal() {
				return usagef("standard output is a terminal; redirect it or name a file")
			}
			feed, err := a.resolveFeed(cmd.Context(), name)
			if err != nil {
				return err
			}
			f, err := a.client().Snapshot(cmd.Context(), feed)
			if err != nil {
				return err
			}
			if f.Card {
				return a.cardError(cmd.Context(), feed)
			}
			if f.Age > maxFreshAge {
				a.logf("the newest frame of %s is %s old", feed, durationText(f.Age))
			}
			if ext == pngExt {
				if f.Data, err = toPNG(f.Data); err != nil {
					return fmt.Errorf("save frame: %s: %w; use .jpg", file, err)
				}
			}
			if file == "-" {
				_, err = a.stdout.Write(f.Data)
			} else {
				err = save(file, f.Data)
			}
			if err != nil {
				return fmt.Errorf("save frame: %w", err)
			}
			if file != "-" {
				a.noticef("saved %s", absolute(file))
			}
			return nil
		},
	}
}

const pngExt = ".png"

// absolute returns a path with its folder, for messages.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// completeFeedFile completes the arguments [PEER|self] FILE.
func (a *app) completeFeedFile(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault // a file
	}
	names, _ := a.completePeers(api.Self)(cmd, args, prefix)
	return names, cobra.ShellCompDirectiveDefault
}

// save replaces a file atomically, also across a power cut. A path that is not
// a regular file, such as a device, is written in place.
func save(path string, data []byte) error {
	err := replace(path, data)
	// Errors name the temporary file, which means nothing to the user.
	var pathErr *fs.PathError
	var linkErr *os.LinkError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	} else if errors.As(err, &linkErr) {
		err = linkErr.Err
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func replace(path string, data []byte) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return os.WriteFile(path, data, 0o666)
	} else if target, linkErr := filepath.EvalSymlinks(path); err == nil && linkErr == nil {
		path = target // keep a symbolic link and replace its target
	}
	f, err := createTemp(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails after the rename
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync() // else a power cut can leave the new name with no data
	}
	if err := cmp.Or(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// createTemp creates a file with a random name. Unlike os.CreateTemp, which
// uses mode 0600, it leaves the mode to the umask.
func createTemp(dir string) (*os.File, error) {
	for {
		name := filepath.Join(dir, fmt.Sprintf(".vchat-%08x.jpg", rand.Uint32()))
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}
