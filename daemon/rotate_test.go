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

// turned reads a feed until its frames are to be shown so; cards never are.
func turned(t *testing.T, feed *client.Feed, degrees int) {
	t.Helper()
	for range 300 {
		f, err := feed.Next()
		if err != nil {
			t.Fatal(err)
		}
		if f.Card && f.Rotate != 0 {
			t.Fatal("a card is turned")
		}
		if !f.Card && f.Rotate == degrees {
			return
		}
	}
	t.Errorf("no picture of 300 was to be turned by %d°", degrees)
}

func open(t *testing.T, d *daemontest.Device, name string) *client.Feed {
	t.Helper()
	feed, err := d.Client.Feed(ctx(t), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(feed.Close)
	return feed
}

func TestFramesSayHowTheyAreTurned(t *testing.T) {
	alice, bob := two(t)
	alice.Config.Camera.Rotate = 90
	start(bob, alice)
	call(t, alice, bob)
	own, there := open(t, alice, api.Self), open(t, bob, "alice")
	turned(t, own, 90)
	turned(t, there, 90)
	turned(t, open(t, alice, "bob"), 0)
	if s := alice.Status(); s.Camera.Rotate != 90 || s.Camera.Size != "320x240" {
		t.Errorf("alice's camera is %+v", s.Camera)
	}
	bob.Wait("her word", func(s api.Status) bool { pc := s.Calls[0].PeerCamera; return pc != nil && pc.Rotate == 90 })

	// A frame that becomes a file says it itself.
	for d, name := range map[*daemontest.Device]string{alice: api.Self, bob: "alice"} {
		f, err := d.Client.Snapshot(ctx(t), name)
		if err != nil {
			t.Fatal(err)
		}
		if f.Rotate != 0 || !bytes.Contains(f.Data[:64], []byte("Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06")) {
			t.Errorf("of %s: X-Rotate %d and %q", name, f.Rotate, f.Data[:64])
		}
	}

	// It can be changed while the camera streams.
	alice.Reload(func(c *config.Config) error { c.Camera.Rotate = 270; return nil })
	turned(t, own, 270)
	turned(t, there, 270)
	if s := alice.Status(); s.Camera.Reopened != 0 || s.Camera.State != api.CameraStreaming {
		t.Errorf("the camera is %+v", s.Camera)
	}
	if err := alice.Client.SetPrivacy(ctx(t), true); err != nil {
		t.Fatal(err)
	}
	for card := false; !card; {
		f, err := there.Next()
		if err != nil {
			t.Fatal(err)
		}
		if card = f.Card; card && f.Rotate != 0 {
			t.Error("the card is turned")
		}
	}
}

func TestARotationThatNobodyKnowsIsNone(t *testing.T) {
	alice, m := mallory(t)
	m.say(&wire.Invite{Call: wire.CallID{1}})
	m.await(wire.TypeAccept)
	m.say(&wire.State{Camera: wire.CameraStreaming, Rotate: 45})
	s := alice.Wait("the state", func(s api.Status) bool { return len(s.Calls) == 1 && s.Calls[0].PeerCamera != nil })
	if pc := s.Calls[0].PeerCamera; pc.Rotate != 0 {
		t.Errorf("it is %d", pc.Rotate)
	}
}
