package daemon_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/daemontest"
	"vchat/daemon/daemontest/publicdir"
	"vchat/daemon/wire"
)

// private reports whether privacy mode is on and the camera closed.
func private(s api.Status) bool { return s.Privacy && s.Camera.State == api.CameraIdle }

// peerCamera returns a condition for the state of the peer's camera.
func peerCamera(state string) func(api.Status) bool {
	return func(s api.Status) bool {
		return len(s.Calls) == 1 && s.Calls[0].PeerCamera != nil && s.Calls[0].PeerCamera.State == state
	}
}

func setPrivacy(t *testing.T, d *daemontest.Device, on bool) {
	t.Helper()
	if err := d.Client.SetPrivacy(ctx(t), on); err != nil {
		t.Fatal(err)
	}
	if s := d.Status(); s.Privacy != on {
		t.Fatalf("got privacy %v, want %v", s.Privacy, on)
	}
}

func TestSetPrivacy_inACall(t *testing.T) {
	alice, bob := two(t)
	start(bob, alice)
	call(t, alice, bob)
	events := listen(t, alice)
	file := filepath.Join(alice.Config.StateDir, "privacy")

	setPrivacy(t, alice, true)
	if _, err := os.Stat(file); err != nil {
		t.Errorf("after SetPrivacy: %v", err)
	}
	for {
		ev, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		if ev.Event == api.EventPrivacy {
			if ev.Privacy == nil || !*ev.Privacy {
				t.Errorf("got event %+v, want privacy on", ev)
			}
			break
		}
	}
	alice.Wait("closed camera", private)
	bob.Wait("privacy of alice", peerCamera("privacy"))
	if p := alice.Status().Problems; len(p) > 0 {
		t.Errorf("got problems %+v, want none", p)
	}
	for {
		f, err := bob.Client.Snapshot(ctx(t), "alice")
		if err != nil {
			t.Fatal(err)
		}
		if f.Card {
			break // frames sent before it arrive first
		}
	}
	if _, err := alice.Client.Snapshot(ctx(t), api.Self); !isKind(err, api.PrivacyOn) {
		t.Errorf("snapshot of alice's own camera: got %v, want %s", err, api.PrivacyOn)
	}

	setPrivacy(t, alice, true) // no change: not logged again
	alice.Reload(func(c *config.Config) error { c.Camera.FPS = 15; return nil })
	alice.Wait("privacy after a reload", private)
	alice.Stop()
	alice.Start()
	alice.Wait("privacy after a restart", private)
	alice.Wait("resumed call", daemontest.InCall(api.CallActive))
	bob.Wait("privacy of alice after the restart", peerCamera("privacy"))

	setPrivacy(t, alice, false)
	if _, err := os.Lstat(file); !os.IsNotExist(err) {
		t.Errorf("after off: got %v, want no file", err)
	}
	bob.Wait("streaming camera of alice", peerCamera("streaming"))
	log := alice.Log()
	for _, on := range []bool{true, false} {
		if n := strings.Count(log, fmt.Sprintf("msg=\"privacy mode changed\" on=%v uid=%d", on, os.Getuid())); n != 1 {
			t.Errorf("on=%v: got %d lines in the log, want 1:\n%s", on, n, log)
		}
	}
}

// Anything at the path means on: a damaged disk must not turn the camera on.
func TestRestorePrivacy(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(path string) error
		stay bool // the command cannot remove it
	}{
		{"empty file", func(p string) error { return os.WriteFile(p, nil, 0) }, false},
		{"garbage", func(p string) error { return os.WriteFile(p, []byte("off\x00"), 0o600) }, false},
		{"dangling symlink", func(p string) error { return os.Symlink("/nonexistent", p) }, false},
		{"directory that is not empty",
			func(p string) error { return os.MkdirAll(filepath.Join(p, "x"), 0o700) }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			alice := daemontest.New(t, "alice")
			if err := tt.make(filepath.Join(alice.Config.StateDir, "privacy")); err != nil {
				t.Fatal(err)
			}
			alice.Start()
			if s := alice.Status(); !s.Privacy {
				t.Error("got privacy off, want on")
			}
			if !tt.stay {
				setPrivacy(t, alice, false)
				return
			}
			err := alice.Client.SetPrivacy(ctx(t), false)
			if !isKind(err, api.Internal) || !strings.Contains(err.Error(), "privacy stays on") {
				t.Errorf("off: got %v, want that privacy stays on", err)
			}
			if !alice.Status().Privacy {
				t.Error("got privacy off while the file exists, want on")
			}
		})
	}
}

func TestSetPrivacy_notWritable(t *testing.T) {
	alice := daemontest.New(t, "alice")
	alice.Start()
	// Even root cannot write into a directory that does not exist.
	dir := alice.Config.StateDir
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	err := alice.Client.SetPrivacy(ctx(t), true)
	if !isKind(err, api.Internal) || !strings.Contains(err.Error(), "only until the next restart") {
		t.Errorf("on: got %v, want that it holds until the restart", err)
	}
	if !alice.Status().Privacy {
		t.Error("got privacy off, want on")
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	setPrivacy(t, alice, false)
}

// On a full disk only an empty file may fit. So no temporary file may be
// needed.
func TestSetPrivacy_withoutTemporaryFile(t *testing.T) {
	alice := daemontest.New(t, "alice")
	if err := os.Mkdir(filepath.Join(alice.Config.StateDir, "privacy.new"), 0o700); err != nil {
		t.Fatal(err)
	}
	alice.Start()
	setPrivacy(t, alice, true)
	alice.Stop()
	alice.Start()
	alice.Wait("privacy after a restart", private)
}

// A user whose camera stays on may cut the power: the file must exist before
// the camera is closed.
func TestSetPrivacy_onDiskBeforeTheCameraCloses(t *testing.T) {
	alice := daemontest.New(t, "alice")
	file, dir := filepath.Join(alice.Config.StateDir, "privacy"), publicdir.New(t)
	temp := func(name string) string { return filepath.Join(dir, name) }
	runs, asked, found, done := temp("runs"), temp("asked"), temp("found"), temp("done")
	// The camera command ends when this test has found privacy on disk, or is
	// killed. It cannot see the state itself.
	alice.Config.Camera.Device = fmt.Sprintf("exec:"+
		"trap ': >%s; until test -e %s; do sleep 0.01; done; : >%s; exit' TERM; : >%s; while :; do sleep 0.01; done",
		asked, found, done, runs)
	alice.Start()
	exists := func(name string) bool {
		_, err := os.Stat(name)
		return err == nil
	}
	for range 10 { // a slow disk: the command may be killed first
		var others sync.WaitGroup
		others.Go(func() { _, _ = alice.Client.Snapshot(ctx(t), api.Self) }) // no frame comes
		alice.Wait("running command", func(api.Status) bool { return exists(runs) })
		end, stop := context.WithCancel(t.Context())
		others.Go(func() {
			for end.Err() == nil && (!exists(asked) || !exists(file)) {
				time.Sleep(time.Millisecond)
			}
			_ = os.WriteFile(found, nil, 0o600) // in vain if the command was killed
		})
		setPrivacy(t, alice, true)
		stop()
		others.Wait()
		if exists(done) {
			return
		}
		setPrivacy(t, alice, false)
		_, _, _ = os.Remove(runs), os.Remove(asked), os.Remove(found)
	}
	t.Error("got no file while the camera was being closed")
}

func TestPrivacy_peerCannotTurnItOff(t *testing.T) {
	alice, m := newRawPeer(t, wire.FeatureText)
	setPrivacy(t, alice, true)
	m.send(&wire.Invite{Call: wire.CallID{1}})
	m.expect(wire.TypeAccept)
	if s := m.expect(wire.TypeState).(*wire.State); s.Camera != wire.CameraPrivacy || s.Reason != "" {
		t.Errorf("got state %+v at the peer, want privacy without a reason", s)
	}
	for state := wire.CameraState(0); state < 8; state++ {
		m.send(&wire.State{Camera: state}, &wire.Text{ID: uint64(state) + 1, Text: `{"privacy":false}`})
	}
	m.send(&wire.State{Camera: wire.CameraLost})
	if p := m.expect(wire.TypeFrame).(*wire.Frame); p.Flags&wire.FlagCard == 0 {
		t.Error("got a frame of the camera while privacy is on, want a card")
	}
	alice.Wait("last state of the peer", peerCamera("lost"))
	if s := alice.Status(); !private(s) || s.Camera.Frames > 0 {
		t.Errorf("got privacy %v and camera %+v, want it on and no frames", s.Privacy, s.Camera)
	}
}
