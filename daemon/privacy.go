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
)

// privacyFile, in the state directory, is privacy: that there is something of this name means on, whatever it holds. A damaged
// disk must never switch a camera on.
const privacyFile = "privacy"

// closeTime is for drivers to let go of the camera, and of the cameras that are being asked.
const closeTime = 5 * time.Second

// Privacy says whether the camera is switched off by its owner. Nothing but SetPrivacy changes that: no peer, no reload.
func (d *Daemon) Privacy() bool { return d.camera.Status().Privacy }

// SetPrivacy switches the camera off at once, and keeps it so over a restart; or lets it be opened again. If what must stand on
// disk for that cannot be written there, the error says so; on is on for now all the same, and off is not off.
func (d *Daemon) SetPrivacy(on bool, uid int) error {
	d.deciding.Lock()
	defer d.deciding.Unlock()
	before := d.Privacy()
	var err error
	if on {
		// At the same time: neither a slow disk nor a driver that hangs may stand in the way of the other.
		kept := make(chan error, 1)
		go func() { kept <- d.keepPrivacy() }()
		open := d.closeCamera()
		err = errors.Join(<-kept, open)
	} else if err = d.forgetPrivacy(); err == nil {
		err = d.camera.SetPrivacy(context.Background(), false) // waits for nothing
	}
	if now := d.Privacy(); now != before {
		d.log.Info("privacy", "on", now, "uid", uid)
		d.events.Publish(api.Event{Event: api.EventPrivacy, Privacy: &now})
		poke(d.news)
	}
	if err != nil {
		d.log.Error("privacy is not as it was asked for", "on", on, "uid", uid, "err", err)
	}
	return err
}

// closeCamera returns when nothing of ours has a camera open, and none can be opened any more.
func (d *Daemon) closeCamera() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime) // not the request's: half a command helps nobody
	defer cancel()
	err := d.camera.SetPrivacy(ctx, true)
	if err == nil {
		err = d.inspector.Drain(ctx)
	}
	if err != nil {
		return &api.Error{Kind: api.CameraUnavailable, Hint: "unplug it",
			Message: fmt.Sprintf("privacy is on, but the camera's driver has not let go of it within %v", closeTime)}
	}
	return nil
}

func (d *Daemon) privacyPath() string { return filepath.Join(d.first.StateDir, privacyFile) }

// restorePrivacy is called before the camera can be opened. What cannot be told counts as on.
func (d *Daemon) restorePrivacy() {
	_, err := os.Lstat(d.privacyPath())
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	_ = d.closeCamera() // nothing is open yet that could be late
	if err != nil {
		d.log.Error("privacy is on, because it cannot be read whether it is", "err", err)
		return
	}
	d.log.Info("privacy is on since before the restart")
}

func (d *Daemon) keepPrivacy() error {
	if err := d.makePrivacyFile(); err != nil {
		return &api.Error{Kind: api.Internal, Message: fmt.Sprintf("privacy is on, but only until the next restart: %v", err)}
	}
	return nil
}

// makePrivacyFile leaves alone what is there already. That it is there is all that counts: a full disk has room for an empty file.
func (d *Daemon) makePrivacyFile() error {
	f, err := os.OpenFile(d.privacyPath(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_, _ = f.WriteString("While this file is here the camera stays closed. vchatctl privacy off takes it away.\n")
		err = f.Close()
	} else if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return errors.Join(err, syncDir(d.first.StateDir)) // of the file itself only the name has to last
}

func (d *Daemon) forgetPrivacy() error {
	err := os.Remove(d.privacyPath())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &api.Error{Kind: api.Internal, Message: fmt.Sprintf("privacy stays on: %v", err)}
	}
	// Where this fails, privacy may be back after a power cut. That is the good side to fail on.
	if err := syncDir(d.first.StateDir); err != nil {
		d.log.Warn("privacy is off, but may be on again after a power cut", "err", err)
	}
	return nil
}
