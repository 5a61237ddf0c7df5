package daemon_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/daemontest"
	"vchat/daemon/wire"
)

func private(s api.Status) bool { return s.Privacy && s.Camera.State == api.CameraIdle }

// told waits until the peer is told of the other side's camera.
func told(state string) func(api.Status) bool {
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
		t.Fatalf("privacy is %v, not %v", s.Privacy, on)
	}
}

func TestPrivacyInACall(t *testing.T) {
	alice, bob := two(t)
	start(bob, alice)
	call(t, alice, bob)
	events := listen(t, alice)
	file := filepath.Join(alice.Config.StateDir, "privacy")

	setPrivacy(t, alice, true)
	if _, err := os.Stat(file); err != nil {
		t.Errorf("not on disk when it was answered: %v", err)
	}
	for {
		ev, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		if ev.Event == api.EventPrivacy {
			if ev.Privacy == nil || !*ev.Privacy {
				t.Errorf("event %+v", ev)
			}
			break
		}
	}
	alice.Wait("the camera closed", private)
	bob.Wait("told of privacy", told("privacy"))
	if p := alice.Status().Problems; len(p) > 0 {
		t.Errorf("problems: %+v", p)
	}
	for {
		f, err := bob.Client.Snapshot(ctx(t), "alice")
		if err != nil {
			t.Fatal(err)
		}
		if f.Card {
			break // what was on the way came before it
		}
	}
	if _, err := alice.Client.Snapshot(ctx(t), api.Self); !isKind(err, api.PrivacyOn) {
		t.Errorf("alice's own picture: %v", err)
	}

	setPrivacy(t, alice, true) // again, which is nothing new
	alice.Reload(func(c *config.Config) error { c.Camera.FPS = 15; return nil })
	alice.Wait("private after a reload", private)
	alice.Stop()
	alice.Start()
	alice.Wait("private after a restart", private)
	alice.Wait("in the call again", daemontest.InCall(api.CallActive))
	bob.Wait("told of privacy again", told("privacy"))

	setPrivacy(t, alice, false)
	if _, err := os.Lstat(file); !os.IsNotExist(err) {
		t.Errorf("still on disk: %v", err)
	}
	bob.Wait("seeing alice again", told("streaming"))
	log := alice.Log()
	for _, on := range []bool{true, false} {
		if n := strings.Count(log, fmt.Sprintf("msg=\"privacy mode changed\" on=%v uid=%d", on, os.Getuid())); n != 1 {
			t.Errorf("on=%v is logged %d times:\n%s", on, n, log)
		}
	}
}

// Whatever lies there means on: a damaged disk must not switch the camera on.
func TestPrivacyAtStart(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(path string) error
		stay bool // it cannot be taken away by a command
	}{
		{"an empty file", func(p string) error { return os.WriteFile(p, nil, 0) }, false},
		{"rubbish", func(p string) error { return os.WriteFile(p, []byte("off\x00"), 0o600) }, false},
		{"a link to nothing", func(p string) error { return os.Symlink("/nonexistent", p) }, false},
		{"a directory with something in it", func(p string) error { return os.MkdirAll(filepath.Join(p, "x"), 0o700) }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			alice := daemontest.New(t, "alice")
			if err := tt.make(filepath.Join(alice.Config.StateDir, "privacy")); err != nil {
				t.Fatal(err)
			}
			alice.Start()
			if s := alice.Status(); !s.Privacy {
				t.Error("the camera may be opened")
			}
			if !tt.stay {
				setPrivacy(t, alice, false)
				return
			}
			if err := alice.Client.SetPrivacy(ctx(t), false); !isKind(err, api.Internal) || !strings.Contains(err.Error(), "privacy stays on") {
				t.Errorf("off: %v", err)
			}
			if !alice.Status().Privacy {
				t.Error("privacy was lifted, although it stays on disk")
			}
		})
	}
}

func TestPrivacyThatCannotBeWritten(t *testing.T) {
	alice := daemontest.New(t, "alice")
	alice.Start()
	// Root writes into any directory, but nobody into one that is not there.
	dir := alice.Config.StateDir
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	err := alice.Client.SetPrivacy(ctx(t), true)
	if !isKind(err, api.Internal) || !strings.Contains(err.Error(), "only until the next restart") {
		t.Errorf("on: %v", err)
	}
	if !alice.Status().Privacy {
		t.Error("privacy is not even on for now")
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	setPrivacy(t, alice, false)
}

// A full disk has room for the name of an empty file, and nothing else must be needed: here all other names are taken.
func TestPrivacyNeedsOneName(t *testing.T) {
	alice := daemontest.New(t, "alice")
	if err := os.Mkdir(filepath.Join(alice.Config.StateDir, "privacy.new"), 0o700); err != nil {
		t.Fatal(err)
	}
	alice.Start()
	setPrivacy(t, alice, true)
	alice.Stop()
	alice.Start()
	alice.Wait("private after a restart", private)
}

// Who finds that the camera stays on pulls the plug: privacy must be on disk by then.
func TestPrivacyIsOnDiskBeforeTheCameraIsClosed(t *testing.T) {
	alice := daemontest.New(t, "alice")
	file, seen := filepath.Join(alice.Config.StateDir, "privacy"), filepath.Join(t.TempDir(), "seen")
	// It ends when privacy is on disk, or is killed.
	alice.Config.Camera.Device = fmt.Sprintf("exec:trap 'until test -e %s; do sleep 0.01; done; : > %s; exit' TERM; while :; do sleep 0.01; done", file, seen)
	alice.Start()
	for range 10 { // the disk may be slower than the camera is patient
		var viewer sync.WaitGroup
		viewer.Go(func() { _, _ = alice.Client.Snapshot(ctx(t), api.Self) }) // there is none
		alice.Wait("the camera open", func(s api.Status) bool { return s.Camera.State != api.CameraIdle })
		setPrivacy(t, alice, true)
		viewer.Wait()
		if _, err := os.Stat(seen); err == nil {
			return
		}
		setPrivacy(t, alice, false)
	}
	t.Error("while the camera is being closed privacy is not on disk")
}

func TestAPeerCannotLiftPrivacy(t *testing.T) {
	alice, m := mallory(t, wire.FeatureText)
	setPrivacy(t, alice, true)
	m.say(&wire.Invite{Call: wire.CallID{1}})
	m.await(wire.TypeAccept)
	if s := m.await(wire.TypeState).(*wire.State); s.Camera != wire.CameraPrivacy || s.Reason != "" {
		t.Errorf("the peer is told %+v", s)
	}
	for state := wire.CameraState(0); state < 8; state++ {
		m.say(&wire.State{Camera: state}, &wire.Text{ID: uint64(state) + 1, Text: `{"privacy":false}`})
	}
	m.say(&wire.State{Camera: wire.CameraLost})
	if p := m.await(wire.TypeFrame).(*wire.Frame); p.Flags&wire.FlagCard == 0 {
		t.Error("a frame of the camera while privacy is on")
	}
	alice.Wait("all was heard", told("lost"))
	if s := alice.Status(); !private(s) || s.Camera.Frames > 0 {
		t.Errorf("privacy %v, camera %+v", s.Privacy, s.Camera)
	}
}
