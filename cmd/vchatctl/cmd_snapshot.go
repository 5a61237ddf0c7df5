package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vchat/cmd/vchatctl/internal/newfile"
	"vchat/daemon/api"
)

// maxFreshAge is the age above which snapshot warns that a frame is old.
const maxFreshAge = 2 * time.Second

func (a *app) snapshotCmd() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
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
			if file != "-" {
				return a.saveSnapshot(cmd.Context(), feed, file, force)
			}
			data, err := a.snapshot(cmd.Context(), feed)
			if err != nil {
				return err
			}
			if _, err := a.stdout.Write(data); err != nil {
				return fmt.Errorf("save frame: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace an existing file")
	return cmd
}

func (a *app) saveSnapshot(ctx context.Context, feed, path string, force bool) error {
	f, err := newfile.Create(path, force) // before the camera is opened
	if err != nil {
		return saveError(path, err)
	}
	defer f.Close()
	data, err := a.snapshot(ctx, feed)
	if err != nil {
		return err
	}
	if strings.ToLower(filepath.Ext(path)) == pngExt {
		if data, err = toPNG(data); err != nil {
			return fmt.Errorf("save frame: %s: %w; use .jpg", path, err)
		}
	}
	if err := f.Save(data); err != nil {
		return saveError(path, err)
	}
	a.noticef("saved %s", absolute(path))
	return nil
}

// snapshot returns the newest frame of a feed.
func (a *app) snapshot(ctx context.Context, feed string) ([]byte, error) {
	f, err := a.client().Snapshot(ctx, feed)
	switch {
	case err != nil:
		return nil, err
	case f.Card:
		return nil, a.cardError(ctx, feed)
	case f.Age > maxFreshAge:
		a.logf("the newest frame of %s is %s old", feed, durationText(f.Age))
	}
	return f.Data, nil
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

// existsError is the error for a file that --force would replace.
func existsError(path string) error {
	return usagef("%s already exists; use --force to replace it", path)
}

// saveError returns the error of a file that could not be saved.
func saveError(path string, err error) error {
	if errors.Is(err, newfile.ErrExists) {
		return existsError(path)
	}
	return fmt.Errorf("save frame: %w", err)
}
