package daemon_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/client"
	"vchat/daemon/daemontest"
	"vchat/daemon/identity"
	"vchat/daemon/wire"
)

// texts returns the messages that arrive until a call has ended.
func texts(t *testing.T, e *client.Events) (all []string) {
	t.Helper()
	for {
		ev, err := e.Next()
		if err != nil {
			t.Fatal(err)
		}
		if ev.Event == api.EventText {
			all = append(all, ev.Text)
		}
		if ev.Event == api.EventCall && ev.Call.State == api.CallEnded {
			return all
		}
	}
}

func TestReceiveText_onceAndInTheCallOnly(t *testing.T) {
	alice, m := newRawPeer(t, wire.FeatureText, wire.FeatureResume)
	events := listen(t, alice)
	m.send(&wire.Text{ID: 1, Text: "before the call"}, &wire.Invite{Call: wire.CallID{1}})
	m.expect(wire.TypeAccept)
	m.send(&wire.Text{ID: 0, Text: "zero"}, &wire.Text{ID: 5, Text: "five"}, &wire.Text{ID: 5, Text: "five"},
		&wire.Text{ID: 4, Text: "four"},
		&wire.Text{ID: 6, Text: "six"}, &wire.End{Call: wire.CallID{1}, Reason: wire.ReasonHungUp})
	if got, want := strings.Join(texts(t, events), " "), "zero five six"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCall_peerWithoutResume(t *testing.T) {
	for _, tt := range []struct {
		features []string
		resumes  bool
	}{{nil, false}, {[]string{wire.FeatureResume}, true}} {
		t.Run(fmt.Sprint(tt.features), func(t *testing.T) {
			alice, m := newRawPeer(t, tt.features...)
			m.send(&wire.Invite{Call: wire.CallID{1}})
			m.expect(wire.TypeAccept)
			events := listen(t, alice)
			_ = m.Close()
			if tt.resumes {
				alice.Wait("resuming call", daemontest.InCall(api.CallResuming))
				return
			}
			if r := ended(t, events); r != api.ReasonLostTooLong {
				t.Errorf("got reason %q, want %q", r, api.ReasonLostTooLong)
			}
		})
	}
}

func TestLogLimit_peerThatCallsRepeatedly(t *testing.T) {
	alice, m := newRawPeer(t, wire.FeatureResume)
	for i := range 50 {
		call := wire.CallID{1, byte(i)}
		m.send(&wire.Invite{Call: call}, &wire.End{Call: call, Reason: wire.ReasonCancelled})
	}
	accepted, refused := 0, 0
	for accepted+refused < 50 {
		x, err := m.in.Next()
		if err != nil {
			t.Fatal(err)
		}
		switch x := x.(type) {
		case *wire.Accept:
			accepted++
		case *wire.End:
			if x.Reason != wire.ReasonBusy || !strings.Contains(x.Text, "called too often") {
				t.Fatalf("got %+v, want busy with a reason", x)
			}
			refused++
		}
	}
	if accepted < 10 || accepted > 12 {
		t.Errorf("got %d of 50 calls accepted, want 10 to 12", accepted)
	}
	if n := strings.Count(alice.Log(), "peer=mallory"); n < 20 || n > 30 {
		t.Errorf("got %d lines about 50 calls, want two for each accepted one", n)
	}
}

// A peer that rings keeps neither this device from calling nor another peer
// from ringing, and cannot ring again at once.
func TestRinging_takesNoLine(t *testing.T) {
	alice := daemontest.New(t, "alice")
	var ids []*identity.Identity
	for _, name := range []string{"mallory", "carol"} {
		id, err := identity.New()
		if err != nil {
			t.Fatal(err)
		}
		alice.Config.Peers[name] = config.Peer{Name: name, ID: id.ID().String()}
		ids = append(ids, id)
	}
	alice.Start()
	mallory := connect(t, alice, ids[0], wire.FeatureResume)
	carol := connect(t, alice, ids[1], wire.FeatureResume)
	mallory.send(&wire.Invite{Call: wire.CallID{1}})
	mallory.expect(wire.TypeRinging)
	must(t)(alice.Client.Call(ctx(t), api.CallRequest{Peer: "carol"}))
	called := carol.expect(wire.TypeInvite).(*wire.Invite).Call
	must(t)(alice.Client.Hangup(ctx(t), "")) // the call, not the ring
	if x := carol.expect(wire.TypeEnd).(*wire.End); x.Call != called || x.Reason != wire.ReasonCancelled {
		t.Errorf("got %+v, want the call to carol cancelled", x)
	}
	carol.send(&wire.Invite{Call: wire.CallID{2}})
	carol.expect(wire.TypeRinging)
	alice.Wait("second call", func(s api.Status) bool { return len(s.Calls) == 2 })
	_, err := alice.Client.Answer(ctx(t), "")
	if e, ok := errors.AsType[*api.Error](err); !ok ||
		!strings.Contains(e.Hint, "mallory (incoming), carol (incoming)") {
		t.Errorf("got error %v, want one that names both", err)
	}
	for i := range byte(2) { // the first declined call may be tried again at once
		must(t)(alice.Client.Reject(ctx(t), "mallory"))
		mallory.expect(wire.TypeEnd)
		mallory.send(&wire.Invite{Call: wire.CallID{3 + i}})
		if i == 0 {
			mallory.expect(wire.TypeRinging)
			alice.Wait("second ring", func(s api.Status) bool { return len(s.Calls) == 2 })
		}
	}
	if x := mallory.expect(wire.TypeEnd).(*wire.End); x.Reason != wire.ReasonBusy ||
		!strings.Contains(x.Text, "called too often; try again in") {
		t.Errorf("got %+v, want busy with the pause", x)
	}
	must(t)(alice.Client.Answer(ctx(t), ""))
	if x := carol.expect(wire.TypeAccept).(*wire.Accept); x.Call != (wire.CallID{2}) {
		t.Errorf("got %+v, want carol's call accepted", x)
	}
}

func TestFrames_withoutACall(t *testing.T) {
	alice, m := newRawPeer(t, wire.FeatureYUYV, wire.FeatureLZ4)
	p := wire.Frame{Width: 4096, Height: 2048, Codec: wire.CodecYUYVLZ4, Size: 70000} // the data does not decode
	for seq := range uint64(20) {
		p.Seq = seq
		_, _ = m.Write(append(wire.AppendFrame(nil, &p), make([]byte, p.Size)...))
	}
	m.send(&wire.Ping{T1: 1})
	m.expect(wire.TypePong)
	if s := alice.Status(); s.Peers[0].Link.State != api.LinkUp {
		t.Errorf("got link %+v, want it up", s.Peers[0].Link)
	}
}

func TestRestoreCalls_damagedFile(t *testing.T) {
	file := func(content string) func(string) error {
		return func(path string) error { return os.WriteFile(path, []byte(content), 0o600) }
	}
	valid := `{"version":1,"ids":["%032x"],"peer":"bob","direction":"out",` +
		`"started":"2025-01-01T00:00:00Z","answered":"2025-01-01T00:00:00Z"}`
	for _, tt := range []struct {
		name  string
		make  func(path string) error
		calls int
		warns bool
	}{
		{"no file", func(string) error { return nil }, 0, false},
		{"empty", file(""), 0, true},
		{"null", file("null"), 0, false},
		{"zeros", file(strings.Repeat("\x00", 400)), 0, true},
		{"object instead of array", file(`{"version":1}`), 0, true},
		{"wrong types of fields", file(`[{"version":"1","ids":7}]`), 0, true},
		{"other version",
			file(strings.ReplaceAll("["+fmt.Sprintf(valid, 1)+"]", `"version":1`, `"version":2`)), 0, true},
		{"unknown peer", file(strings.ReplaceAll("["+fmt.Sprintf(valid, 1)+"]", "bob", "dave")), 0, false},
		{"zero id", file("[" + fmt.Sprintf(valid, 0) + "]"), 0, false},
		{"short id", file(`[{"version":1,"ids":["00"],"peer":"bob"}]`), 0, true},
		{"two calls with one peer", file("[" + fmt.Sprintf(valid, 1) + "," + fmt.Sprintf(valid, 2) + "]"), 1, false},
		{"deeply nested", file(strings.Repeat("[", 60000)), 0, true},
		{"too large", file("[" + strings.Repeat(" ", 1<<20) + "]"), 0, true},
		{"directory", func(p string) error { return os.Mkdir(p, 0o700) }, 0, true},
		{"fifo", func(p string) error { return syscall.Mkfifo(p, 0o600) }, 0, true},
		{"endless", func(p string) error { return os.Symlink("/dev/zero", p) }, 0, true},
		{"dangling symlink", func(p string) error { return os.Symlink("nowhere", p) }, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			alice, _ := two(t)
			if err := tt.make(filepath.Join(alice.Config.StateDir, "calls.json")); err != nil {
				t.Fatal(err)
			}
			alice.Start()
			if n := len(alice.Status().Calls); n != tt.calls {
				t.Errorf("got %d calls, want %d", n, tt.calls)
			}
			if warns := strings.Contains(alice.Log(), "saved calls lost"); warns != tt.warns {
				t.Errorf("got a warning: %v, want %v\n%s", warns, tt.warns, alice.Log())
			}
		})
	}
}

func TestSaveCalls_errorLoggedOnce(t *testing.T) {
	alice, bob := two(t)
	bob.Config.Peers["alice"] = config.Peer{Name: "alice", ID: alice.ID.String(), AutoAnswer: true}
	start(bob, alice)
	if err := os.Mkdir(filepath.Join(alice.Config.StateDir, "calls.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		call(t, alice, bob)
		must(t)(alice.Client.Hangup(ctx(t), ""))
		bob.Wait("end of the call", daemontest.NoCall)
	}
	alice.Stop()
	if n := strings.Count(alice.Log(), "calls not saved"); n != 1 {
		t.Errorf("got the error %d times, want once", n)
	}
}

func TestSaveCalls_removesTemporaries(t *testing.T) {
	alice, bob := two(t)
	temporary := filepath.Join(alice.Config.StateDir, ".calls.json1234567890")
	if err := os.WriteFile(temporary, []byte("half a fi"), 0o600); err != nil {
		t.Fatal(err) // what a daemon killed while writing leaves behind
	}
	start(bob, alice)
	call(t, alice, bob)
	alice.Stop()
	files, err := os.ReadDir(alice.Config.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	if got := strings.Join(names, " "); got != "calls.json identity.key lock peer-keys" {
		t.Errorf("got files %s, want calls.json, identity.key, lock and peer-keys", got)
	}
	alice.Start()
	alice.Wait("resumed call", daemontest.Seeing)
}

var errBadFile = errors.New("vchat.yaml:1:1: unknown key\nvchat.yaml:2:1: unknown key")

func TestReload(t *testing.T) {
	alice, bob := two(t)
	start(bob, alice)
	call(t, alice, bob)
	before := alice.Status().Calls[0]
	events := listen(t, alice)
	result := func() string {
		t.Helper()
		for {
			ev, err := events.Next()
			if err != nil {
				t.Fatal(err)
			}
			if ev.Event == api.EventConfig {
				return ev.Text
			}
		}
	}
	unchanged := func(what string) {
		t.Helper()
		s := alice.Wait("frames "+what, daemontest.Seeing)
		c := s.Calls[0]
		if c.ID != before.ID || !c.Since.Equal(before.Since) || c.Link.Reconnects != before.Link.Reconnects {
			t.Errorf("%s: got call %+v, want %+v", what, c, before)
		}
	}

	alice.Reload(func(*config.Config) error { return errBadFile })
	if text := result(); !strings.Contains(text, "configuration not reloaded") {
		t.Errorf("invalid file: got event %q, want the error", text)
	}
	unchanged("after an invalid file")

	alice.Reload(func(c *config.Config) error {
		c.Name, c.Listen = "alicia", "127.0.0.1:1"
		p := c.Peers["bob"]
		p.Address = "127.0.0.1:2"
		c.Peers["bob"] = p
		c.Peers["carol"] = config.Peer{Name: "carol", ID: carolsID(t), Address: "127.0.0.1:3"}
		c.Camera.Size = config.Size{Width: 160, Height: 120}
		return nil
	})
	result()
	unchanged("after a reload")
	if s := alice.Status(); s.Name != "alicia" || len(s.Peers) != 2 {
		t.Errorf("got name %q and %d peers, want alicia and 2", s.Name, len(s.Peers))
	}
	bob.Wait("new size", func(s api.Status) bool {
		return s.Calls[0].Receiving != nil && s.Calls[0].Receiving.Size == "160x120"
	})
	for range 2 { // the warning repeats with each reload
		alice.Reload(func(*config.Config) error { return nil })
	}
	if n := strings.Count(alice.Log(), `requires a restart" key=listen`); n != 3 {
		t.Errorf("got %d warnings about listen, want 3", n)
	}
	unchanged("after more reloads")

	bobEvents := listen(t, bob)
	alice.Reload(func(c *config.Config) error { delete(c.Peers, "bob"); return nil })
	if r := ended(t, bobEvents); r != api.ReasonHungUp {
		t.Errorf("got reason %q at bob, want %q", r, api.ReasonHungUp)
	}
	if n := len(alice.Status().Calls); n != 0 {
		t.Errorf("got %d calls with a removed peer, want none", n)
	}
}

func carolsID(t *testing.T) string {
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	return id.ID().String()
}
