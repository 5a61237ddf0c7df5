package daemon_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/daemontest"
)

func TestDiagnosis(t *testing.T) {
	alice := daemontest.New(t, "alice")
	alice.Start()
	v, err := alice.Client.Diagnosis(ctx(t))
	if err != nil {
		t.Fatal(err)
	}
	if v.Right != api.RightAdmin || v.UID != os.Geteuid() || !slices.Contains(v.GIDs, os.Getegid()) {
		t.Errorf("got right %q, uid %d, gids %v; want those of this process", v.Right, v.UID, v.GIDs)
	}
	if s := v.StateDir; s.Path != alice.Config.StateDir || !s.Writable || s.Reason != "" ||
		s.FreeBytes == 0 || s.SizeBytes < s.FreeBytes {
		t.Errorf("got %+v, want a writable directory with its free space", s)
	}
	if v.Camera.Device != alice.Config.Camera.Device || v.Camera.FPS != alice.Config.Camera.FPS {
		t.Errorf("got %+v, want %+v", v.Camera, alice.Config.Camera)
	}
}

func TestProbe(t *testing.T) {
	alice, bob := two(t)
	start(bob, alice)
	alice.Wait("link", linked("bob"))
	p, err := alice.Client.Probe(ctx(t), "bob")
	if err != nil || p.Link != api.LinkUp || p.Failed != "" || p.Protocol != 1 ||
		!strings.Contains(p.Software, api.Version) {
		t.Errorf("with a link: got %+v, %v", p, err)
	}
	bob.Stop()
	alice.Wait("end of the link", func(s api.Status) bool { return !linked("bob")(s) })
	p, err = alice.Client.Probe(ctx(t), "bob")
	if err != nil || p.Link != api.LinkDown || p.Failed != api.ProbeConnect || p.Reason == "" || p.Remote != "" {
		t.Errorf("peer off: got %+v, %v; want failed connect", p, err)
	}
	bob.Config.Peers = map[string]config.Peer{}
	bob.Start()
	alice.Wait("new probe", func(api.Status) bool { // the last result counts for a second
		p, err = alice.Client.Probe(ctx(t), "bob")
		return p.Failed != api.ProbeConnect
	})
	if err != nil || p.Failed != api.ProbeIdentity || p.Hint == "" || p.KeyMismatch == nil ||
		p.KeyMismatch.RefusedBy != api.SideRemote {
		t.Errorf("refused there: got %+v, %v; want failed identity, with a hint", p, err)
	}
	if _, err := alice.Client.Probe(ctx(t), bob.Config.Listen); !isKind(err, api.NoSuchPeer) {
		t.Errorf("an address: got %v, want %s", err, api.NoSuchPeer)
	}
}
