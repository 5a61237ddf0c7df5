package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/smallfile"
)

// privacyFile is the name of the file in the state directory whose existence
// means that privacy mode is on. Its content and type do not matter: a damaged
// disk must never turn a camera on.
const privacyFile = "privacy"

// closeTimeout bounds the wait for drivers to close the cameras.
const closeTimeout = 5 * time.Second

// Privacy reports whether the owner has turned the camera off. Only SetPrivacy
// changes it; no peer and no reload does.
func (d *Daemon) Privacy() bool { return d.camera.Status().Privacy }

// SetPrivacy turns privacy mode on or off. uid is the user who asked for it,
// for the log.
//
// On closes the camera at once and keeps it closed across restarts. If the
// state cannot be written to disk, SetPrivacy returns an error: on then holds
// until the restart, and off is not done. Errors are *api.Error.
func (d *Daemon) SetPrivacy(on bool, uid int) error {
	d.privacyMu.Lock()
	defer d.privacyMu.Unlock()
	before := d.Privacy()
	var err error
	if on {
		// Concurrently: a slow disk must not delay the camera, nor a hung
		// driver the file.
		written := make(chan error, 1)
		go func() { written <- d.writePrivacyFile() }()
		closed := d.closeCamera()
		err = errors.Join(<-written, closed)
	} else if err = d.removePrivacyFile(); err == nil {
		err = d.camera.SetPrivacy(context.Background(), false) // does not block
	}
	if now := d.Privacy(); now != before {
		d.log.Info("privacy mode changed", "on", now, "uid", uid)
		d.events.Publish(api.Event{Event: api.EventPrivacy, Privacy: &now})
		notify(d.statusDirty)
	}
	if err != nil {
		d.log.Error("privacy mode not set completely", "on", on, "uid", uid, "err", err)
	}
	return err
}

// closeCamera turns privacy mode on in the camera and waits until no camera is
// open. It does not use the context of a request: the camera must be closed
// even if the client has gone.
func (d *Daemon) closeCamera() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := d.camera.SetPrivacy(ctx, true)
	if err == nil {
		err = d.inspector.Drain(ctx)
	}
	if err != nil {
		return &api.Error{
			Kind:    api.CameraUnavailable,
			Message: fmt.Sprintf("privacy is on, but the driver did not close the camera within %v", closeTimeout),
			Hint:    "unplug the camera",
		}
	}
	return nil
}

func (d *Daemon) privacyPath() string { return filepath.Join(d.startConfig.StateDir, privacyFile) }

// restorePrivacy restores privacy mode from disk. It runs before the camera
// can be opened. If the state cannot be read, privacy mode is on.
func (d *Daemon) restorePrivacy() {
	_, err := os.Lstat(d.privacyPath())
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	_ = d.closeCamera() // no camera is open yet
	if err != nil {
		d.log.Error("privacy mode on because its state cannot be read", "err", err)
		return
	}
	d.log.Info("privacy mode restored")
}

func (d *Daemon) writePrivacyFile() error {
	if err := d.createPrivacyFile(); err != nil {
		message := fmt.Sprintf("privacy is on, but only until the next restart: %v", err)
		return &api.Error{Kind: api.Internal, Message: message}
	}
	return nil
}

// createPrivacyFile creates the file unless it exists. It ignores an error of
// the content: an empty file suffices and fits on a full disk.
func (d *Daemon) createPrivacyFile() error {
	f, err := os.OpenFile(d.privacyPath(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_, _ = f.WriteString("While this file exists vchatd keeps the camera closed: vchatctl privacy off\n")
		err = f.Close()
	} else if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return errors.Join(err, smallfile.SyncDir(d.startConfig.StateDir)) // only the name must survive
}

func (d *Daemon) removePrivacyFile() error {
	err := os.Remove(d.privacyPath())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &api.Error{Kind: api.Internal, Message: fmt.Sprintf("privacy stays on: %v", err)}
	}
	// If the sync fails, the file may be back after a power cut. That errs on
	// the safe side, so it is only a warning.
	if err := smallfile.SyncDir(d.startConfig.StateDir); err != nil {
		d.log.Warn("privacy mode may be on again after a power cut", "err", err)
	}
	return nil
}
