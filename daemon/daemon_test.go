package daemon_test

import (
	"bytes"
	"context"
	"errors"
	"image/jpeg"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vchat/config"
	"vchat/daemon"
	"vchat/daemon/api"
	"vchat/daemon/client"
	"vchat/daemon/daemontest"
	"vchat/daemon/daemontest/leaktest"
	"vchat/daemon/hooks"
	"vchat/daemon/identity"
	"vchat/daemon/sandbox"
)

func TestMain(m *testing.M) { leaktest.Main(m, sandbox.Main, hooks.Main, strangersMain) }

// two returns alice and bob, who know each other. Alice dials. They are not
// started yet.
func two(t *testing.T) (alice, bob *daemontest.Device) {
	alice, bob = daemontest.New(t, "alice"), daemontest.New(t, "bob")
	alice.Know(bob, bob.Config.Listen, nil)
	bob.Know(alice, "", nil)
	return alice, bob
}

func start(ds ...*daemontest.Device) {
	for _, d := range ds {
		d.Start()
	}
}

// call makes alice call bob and bob answer, and waits until both receive
// frames.
func call(t *testing.T, alice, bob *daemontest.Device) {
	t.Helper()
	must(t)(alice.Client.Call(ctx(t), api.CallRequest{Peer: "bob"}))
	if !bob.Config.Peers["alice"].AutoAnswer {
		bob.Wait("ringing call", daemontest.InCall(api.CallIncoming))
		must(t)(bob.Client.Answer(ctx(t), ""))
	}
	alice.Wait("frames of bob", daemontest.Seeing)
	bob.Wait("frames of alice", daemontest.Seeing)
}

// ctx returns a context that ends with the test or after daemontest.Timeout.
func ctx(t *testing.T) context.Context {
	c, cancel := context.WithTimeout(context.Background(), daemontest.Timeout)
	t.Cleanup(cancel)
	return c
}

// must fails the test on an error.
func must(t *testing.T) func(api.Call, error) api.Call {
	return func(c api.Call, err error) api.Call {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}

// ended waits for the event of a call that ends and returns the reason.
func ended(t *testing.T, e *client.Events) api.Reason {
	t.Helper()
	for {
		ev, err := e.Next()
		if err != nil {
			t.Fatal(err)
		}
		if ev.Event == api.EventCall && ev.Call.State == api.CallEnded {
			return ev.Call.Reason
		}
	}
}

// listen subscribes to the events of d and skips the initial state.
func listen(t *testing.T, d *daemontest.Device) *client.Events {
	t.Helper()
	e, err := d.Client.Events(ctx(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	if first, err := e.Next(); err != nil || first.Event != api.EventState {
		t.Fatalf("got first event %v, %v; want %v", first.Event, err, api.EventState)
	}
	return e
}

func TestCall_answerAndHangup(t *testing.T) {
	alice, bob := two(t)
	start(bob, alice)
	if s := alice.Status(); s.Camera.State != api.CameraIdle {
		t.Errorf("got camera %s without viewers, want %s", s.Camera.State, api.CameraIdle)
	}
	call(t, alice, bob)
	s := alice.Wait("frame rate", func(s api.Status) bool {
		return s.Calls[0].Receiving != nil && s.Calls[0].Receiving.FPS > 1
	})
	if c := s.Calls[0]; c.Direction != api.DirectionOut || c.Receiving.Size != "320x240" || c.Link.State != api.LinkUp {
		t.Errorf("got call %+v, want an outgoing one with frames of 320x240 and a link", c)
	}
	// Durations are from the monotonic clock. Here it agrees with the other.
	for what, state := range map[string]struct {
		since time.Time
		ms    int64
	}{
		"call":          {s.Calls[0].Since, s.Calls[0].SinceMS},
		"link":          {s.Calls[0].Link.Since, s.Calls[0].Link.SinceMS},
		"peer's camera": {s.Calls[0].PeerCamera.Since, s.Calls[0].PeerCamera.SinceMS},
		"camera":        {s.Camera.Since, s.Camera.SinceMS},
	} {
		got, want := time.Duration(state.ms)*time.Millisecond, time.Since(state.since)
		if state.ms <= 0 || got > want || want-got > 10*time.Second {
			t.Errorf("%s: got since_ms %v, want about %v", what, got, want)
		}
	}
	events := listen(t, bob)
	must(t)(alice.Client.Hangup(ctx(t), ""))
	if r := ended(t, events); r != api.ReasonHungUp {
		t.Errorf("got reason %q at bob, want %q", r, api.ReasonHungUp)
	}
	for _, d := range []*daemontest.Device{alice, bob} {
		d.Wait("closed camera", func(s api.Status) bool {
			return s.Camera.State == api.CameraIdle && len(s.Calls) == 0
		})
	}
}

func TestWatch_peer(t *testing.T) {
	alice, bob := two(t)
	start(bob, alice)
	call(t, alice, bob)
	feed, err := alice.Client.Feed(ctx(t), "bob")
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	var before uint64
	for range 10 {
		f, err := feed.Next()
		if err != nil {
			t.Fatal(err)
		}
		if m, err := jpeg.Decode(bytes.NewReader(f.Data)); err != nil || m.Bounds().Dx() != 320 {
			t.Fatalf("frame %d: %v", f.Seq, err)
		}
		if f.Seq <= before {
			t.Errorf("got frame %d after %d, want rising numbers", f.Seq, before)
		}
		before = f.Seq
	}
	must(t)(bob.Client.Hangup(ctx(t), "alice"))
	for {
		if _, err := feed.Next(); err != nil {
			break // the feed ends with the call
		}
	}
	if _, err := alice.Client.Feed(ctx(t), "bob"); !isKind(err, api.NoSuchFeed) {
		t.Errorf("feed without a call: got %v, want %s", err, api.NoSuchFeed)
	}
}

func isKind(err error, k api.Kind) bool {
	var e *api.Error
	return errors.As(err, &e) && e.Kind == k
}

func TestCall_notAnswered(t *testing.T) {
	for _, tt := range []struct {
		name   string
		setup  func(alice, bob *daemontest.Device)
		then   func(t *testing.T, alice, bob *daemontest.Device)
		reason api.Reason
	}{
		{"declined", nil, func(t *testing.T, _, bob *daemontest.Device) {
			bob.Wait("ringing call", daemontest.InCall(api.CallIncoming))
			must(t)(bob.Client.Reject(ctx(t), ""))
		}, api.ReasonDeclined},
		{"no answer", func(alice, _ *daemontest.Device) {
			alice.Config.Calls.RingTimeout = time.Second
		}, nil, api.ReasonNoAnswer},
		{"do not disturb", func(_, bob *daemontest.Device) {
			bob.Config.Calls.DoNotDisturb = true
		}, nil, api.ReasonDoNotDisturb},
		{"unreachable", func(alice, bob *daemontest.Device) {
			p := alice.Config.Peers["bob"]
			p.Address = "127.0.0.1:1"
			alice.Config.Peers["bob"] = p
		}, nil, api.ReasonUnreachable},
		{"wrong key", func(alice, bob *daemontest.Device) {
			p := alice.Config.Peers["bob"]
			p.ID = "5ZIQ2-GQHVR-7GJKY-EPKDE-ONDEM-OUV3V-J62KR-VRSFA-UBGBJ-BXEF5-RERCY-MKAQI"
			alice.Config.Peers["bob"] = p
		}, nil, api.ReasonWrongIdentity},
		{"unknown to the peer", func(_, bob *daemontest.Device) {
			delete(bob.Config.Peers, "alice")
		}, nil, api.ReasonWrongIdentity},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			alice, bob := two(t)
			if tt.setup != nil {
				tt.setup(alice, bob)
			}
			start(bob, alice)
			events := listen(t, alice)
			must(t)(alice.Client.Call(ctx(t), api.CallRequest{Peer: "bob"}))
			if tt.then != nil {
				tt.then(t, alice, bob)
			}
			if r := ended(t, events); r != tt.reason {
				t.Errorf("got reason %q, want %q", r, tt.reason)
			}
		})
	}
}

// Bob gets another key during a call. The call waits to resume, and says why. A
// new one ends at once, in both directions.
func TestCall_peerKeyChanged(t *testing.T) {
	alice, bob := two(t)
	start(bob, alice)
	call(t, alice, bob)
	bob.Stop()
	alice.Wait("lost link", daemontest.InCall(api.CallResuming))
	old := bob.ID
	if _, _, err := identity.Renew(bob.Config.StateDir, time.Now()); err != nil {
		t.Fatal(err)
	}
	bob.Start()
	renewed := bob.Status().ID
	mismatch := func(s api.Status) bool { return s.Peers[0].Link.KeyMismatch != nil }
	s := alice.Wait("mismatch", mismatch)
	m := s.Peers[0].Link.KeyMismatch
	if m.RefusedBy != api.SideLocal || m.Expected != old.String() || m.Got != renewed {
		t.Errorf("got %+v, want %s expected and %s got", m, old, renewed)
	}
	if s.Calls[0].State != api.CallResuming || s.Calls[0].Link.KeyMismatch == nil {
		t.Errorf("got call %+v, want it to wait, with the mismatch", s.Calls[0])
	}
	if s := bob.Wait("refusal", mismatch); s.Peers[0].Link.KeyMismatch.RefusedBy != api.SideRemote ||
		len(s.Problems) == 0 {
		t.Errorf("bob: got %+v and problems %+v, want that alice refuses", s.Peers[0].Link.KeyMismatch, s.Problems)
	}
	for _, d := range []*daemontest.Device{alice, bob} {
		peer := d.Status().Peers[0].Name
		_, _ = d.Client.Hangup(ctx(t), peer)
		events := listen(t, d)
		must(t)(d.Client.Call(ctx(t), api.CallRequest{Peer: peer}))
		if r := ended(t, events); r != api.ReasonWrongIdentity {
			t.Errorf("%s calls %s: got reason %q, want %q", d.Config.Name, peer, r, api.ReasonWrongIdentity)
		}
	}
}

func TestCall_busy(t *testing.T) {
	alice, bob := two(t)
	carol := daemontest.New(t, "carol")
	carol.Know(bob, bob.Config.Listen, nil)
	bob.Know(carol, "", nil)
	start(bob, alice, carol)
	call(t, alice, bob)
	events := listen(t, carol)
	must(t)(carol.Client.Call(ctx(t), api.CallRequest{Peer: "bob"}))
	if r := ended(t, events); r != api.ReasonBusy {
		t.Errorf("got reason %q at carol, want %q", r, api.ReasonBusy)
	}
	if _, err := bob.Client.Call(ctx(t), api.CallRequest{Peer: "carol"}); !isKind(err, api.LimitReached) {
		t.Errorf("second outgoing call: got %v, want %s", err, api.LimitReached)
	}
	if _, err := bob.Client.Call(ctx(t), api.CallRequest{Peer: "dave"}); !isKind(err, api.NoSuchPeer) {
		t.Errorf("call to an unknown peer: got %v, want %s", err, api.NoSuchPeer)
	}
	if !daemontest.Seeing(alice.Status()) {
		t.Error("the refused call has disturbed the first one")
	}
}

func TestCall_resumesAfterRestart(t *testing.T) {
	alice, bob := two(t)
	start(bob, alice)
	call(t, alice, bob)
	for _, d := range []*daemontest.Device{bob, alice} {
		id := d.Status().Calls[0].ID
		d.Stop()
		d.Start()
		for _, d := range []*daemontest.Device{alice, bob} {
			s := d.Wait("frames after a restart", daemontest.Seeing)
			if s.Calls[0].ID != id {
				t.Errorf("got call %s, want %s", s.Calls[0].ID, id)
			}
		}
	}
}

func TestCameraLease(t *testing.T) {
	alice, bob := two(t)
	start(bob, alice)
	call(t, alice, bob)
	bob.Stop()
	lost := alice.Wait("lost link", daemontest.InCall(api.CallResuming)).Camera.Frames
	time.Sleep(1200 * time.Millisecond) // an unused camera closes within 1 s
	s := alice.Wait("new frame", func(s api.Status) bool { return s.Camera.Frames > lost })
	if s.Camera.State != api.CameraStreaming {
		t.Errorf("got camera %s while the call resumes, want %s", s.Camera.State, api.CameraStreaming)
	}
	must(t)(alice.Client.Hangup(ctx(t), ""))
	alice.Wait("closed camera", func(s api.Status) bool { return s.Camera.State == api.CameraIdle })
}

func TestCall_simultaneous(t *testing.T) {
	alice, bob := two(t)
	start(bob, alice)
	linked := func(s api.Status) bool { return s.Peers[0].Link.State == api.LinkUp }
	alice.Wait("link", linked)
	bob.Wait("link", linked)
	done := make(chan error, 2)
	go func() { _, err := alice.Client.Call(ctx(t), api.CallRequest{Peer: "bob"}); done <- err }()
	go func() { _, err := bob.Client.Call(ctx(t), api.CallRequest{Peer: "alice"}); done <- err }()
	for range 2 {
		if err := <-done; err != nil && !isKind(err, api.Conflict) {
			t.Fatal(err)
		}
	}
	if len(bob.Status().Calls) == 1 && bob.Status().Calls[0].State == api.CallIncoming {
		must(t)(bob.Client.Answer(ctx(t), "")) // alice was faster
	}
	a, b := alice.Wait("call with frames", daemontest.Seeing), bob.Wait("call with frames", daemontest.Seeing)
	if a.Calls[0].ID != b.Calls[0].ID {
		t.Errorf("got call ids %s and %s, want the same", a.Calls[0].ID, b.Calls[0].ID)
	}
}

func TestRestoreCalls_damagedFileIsLogged(t *testing.T) {
	alice, bob := two(t)
	file := filepath.Join(alice.Config.StateDir, "calls.json")
	if err := os.WriteFile(file, []byte(`[{"version":1,`), 0o600); err != nil {
		t.Fatal(err)
	}
	start(bob, alice)
	if log := alice.Log(); !strings.Contains(log, "saved calls lost") {
		t.Errorf("got no warning in the log:\n%s", log)
	}
	call(t, alice, bob)
}

func TestRun_unavailable(t *testing.T) {
	alice, bob := two(t)
	start(alice)
	for name, change := range map[string]func(*config.Config){
		"port":            func(c *config.Config) { c.Listen = alice.Config.Listen },
		"socket":          func(c *config.Config) { c.Control = alice.Config.Control },
		"state directory": func(c *config.Config) { c.StateDir, c.Peers = alice.Config.StateDir, nil },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := *bob.Config
			change(&cfg)
			d, err := daemon.New(&cfg, slog.New(slog.DiscardHandler), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Run(ctx(t)); !errors.Is(err, daemon.ErrUnavailable) {
				t.Errorf("Run: got %v, want ErrUnavailable", err)
			}
		})
	}
	alice.Status() // its socket still works
}
