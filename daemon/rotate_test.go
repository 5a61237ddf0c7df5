package daemon_test

import (
	"bytes"
	"testing"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/client"
	"vchat/daemon/daemontest"
	"vchat/daemon/wire"
)

// expectRotation reads a feed until its frames have this rotation. Cards must
// have none.
func expectRotation(t *testing.T, feed *client.Feed, degrees int) {
	t.Helper()
	for range 300 {
		f, err := feed.Next()
		if err != nil {
			t.Fatal(err)
		}
		if f.Card && f.Rotate != 0 {
			t.Fatalf("got a card with rotation %d, want 0", f.Rotate)
		}
		if !f.Card && f.Rotate == degrees {
			return
		}
	}
	t.Errorf("got no frame of 300 with rotation %d", degrees)
}

// open opens a feed of d until the end of the test.
func open(t *testing.T, d *daemontest.Device, name string) *client.Feed {
	t.Helper()
	feed, err := d.Client.Feed(ctx(t), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(feed.Close)
	return feed
}

func TestRotate(t *testing.T) {
	alice, bob := two(t)
	alice.Config.Camera.Rotate = 90
	start(bob, alice)
	call(t, alice, bob)
	own, remote := open(t, alice, api.Self), open(t, bob, "alice")
	expectRotation(t, own, 90)
	expectRotation(t, remote, 90)
	expectRotation(t, open(t, alice, "bob"), 0)
	if s := alice.Status(); s.Camera.Rotate != 90 || s.Camera.Size != "320x240" {
		t.Errorf("got camera %+v, want rotation 90 and size 320x240", s.Camera)
	}
	bob.Wait("rotation in the state of alice's camera", func(s api.Status) bool {
		pc := s.Calls[0].PeerCamera
		return pc != nil && pc.Rotate == 90
	})

	// A snapshot has the rotation in its EXIF data.
	const orientation6 = "Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08" +
		"\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06"
	for d, name := range map[*daemontest.Device]string{alice: api.Self, bob: "alice"} {
		f, err := d.Client.Snapshot(ctx(t), name)
		if err != nil {
			t.Fatal(err)
		}
		if f.Rotate != 0 || !bytes.Contains(f.Data[:64], []byte(orientation6)) {
			t.Errorf("snapshot of %s: got X-Rotate %d and %q, want 0 and EXIF orientation 6",
				name, f.Rotate, f.Data[:64])
		}
	}

	// A change does not reopen the camera.
	alice.Reload(func(c *config.Config) error { c.Camera.Rotate = 270; return nil })
	expectRotation(t, own, 270)
	expectRotation(t, remote, 270)
	if s := alice.Status(); s.Camera.Reopened != 0 || s.Camera.State != api.CameraStreaming {
		t.Errorf("got camera %+v, want it streaming and not reopened", s.Camera)
	}
	if err := alice.Client.SetPrivacy(ctx(t), true); err != nil {
		t.Fatal(err)
	}
	for card := false; !card; {
		f, err := remote.Next()
		if err != nil {
			t.Fatal(err)
		}
		if card = f.Card; card && f.Rotate != 0 {
			t.Errorf("got a card with rotation %d, want 0", f.Rotate)
		}
	}
}

func TestRotate_unknownValueOfPeer(t *testing.T) {
	alice, m := newRawPeer(t)
	m.send(&wire.Invite{Call: wire.CallID{1}})
	m.expect(wire.TypeAccept)
	m.send(&wire.State{Camera: wire.CameraStreaming, Rotate: 45})
	s := alice.Wait("state of the camera", func(s api.Status) bool {
		return len(s.Calls) == 1 && s.Calls[0].PeerCamera != nil
	})
	if pc := s.Calls[0].PeerCamera; pc.Rotate != 0 {
		t.Errorf("got rotation %d, want 0", pc.Rotate)
	}
}
