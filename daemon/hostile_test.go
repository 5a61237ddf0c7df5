package daemon_test

import (
	"crypto/tls"
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

// rogue is a peer with the right key that does whatever the test wants.
type rogue struct {
	*tls.Conn
	t  *testing.T
	id *identity.Identity
	in *wire.Reader
}

// mallory makes alice, who knows mallory and answers by herself, and a connection to her that carries the link.
func mallory(t *testing.T, features ...string) (*daemontest.Device, *rogue) {
	t.Helper()
	alice := daemontest.New(t, "alice")
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	alice.Config.Peers["mallory"] = config.Peer{Name: "mallory", ID: id.ID().String(), AutoAnswer: true}
	alice.Start()
	return alice, connect(t, alice, id, features...)
}

// connect makes a connection to alice that carries the link.
func connect(t *testing.T, alice *daemontest.Device, id *identity.Identity, features ...string) *rogue {
	t.Helper()
	c, err := tls.Dial("tcp", alice.Config.Listen, id.ClientConfig())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	m := &rogue{Conn: c, t: t, id: id, in: wire.NewReader(c)}
	m.say(&wire.Hello{VersionMin: 1, VersionMax: 1, Name: "mallory", Features: append(features, wire.FeatureJPEG)})
	if alice.ID.Compare(id.ID()) < 0 {
		m.await(wire.TypeNominate)
	} else {
		m.say(&wire.Nominate{})
	}
	return m
}

func (m *rogue) say(all ...wire.Message) {
	m.t.Helper()
	var b []byte
	for _, x := range all {
		var err error
		if b, err = wire.Append(b, x); err != nil {
			m.t.Fatal(err)
		}
	}
	if _, err := m.Write(b); err != nil {
		m.t.Fatal(err)
	}
}

// await reads until a message of this type has come.
func (m *rogue) await(want wire.Type) wire.Message {
	m.t.Helper()
	for {
		x, err := m.in.Next()
		if err != nil {
			m.t.Fatalf("waiting for %v: %v", want, err)
		}
		if x.Type() == want {
			return x
		}
	}
}

// texts gives those that come until the call with this peer has ended.
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

func TestTextsAreShownInTheCallAndOnce(t *testing.T) {
	alice, m := mallory(t, wire.FeatureText, wire.FeatureResume)
	events := listen(t, alice)
	m.say(&wire.Text{ID: 1, Text: "before the call"}, &wire.Invite{Call: wire.CallID{1}})
	m.await(wire.TypeAccept)
	m.say(&wire.Text{ID: 0, Text: "zero"}, &wire.Text{ID: 5, Text: "five"}, &wire.Text{ID: 5, Text: "five"}, &wire.Text{ID: 4, Text: "four"},
		&wire.Text{ID: 6, Text: "six"}, &wire.End{Call: wire.CallID{1}, Reason: wire.ReasonHungUp})
	if got, want := strings.Join(texts(t, events), " "), "zero five six"; got != want {
		t.Errorf("shown %q, want %q", got, want)
	}
}

func TestACallEndsWithItsLinkWhereTheOtherSideCannotHoldIt(t *testing.T) {
	for _, tt := range []struct {
		features []string
		held     bool
	}{{nil, false}, {[]string{wire.FeatureResume}, true}} {
		t.Run(fmt.Sprint(tt.features), func(t *testing.T) {
			alice, m := mallory(t, tt.features...)
			m.say(&wire.Invite{Call: wire.CallID{1}})
			m.await(wire.TypeAccept)
			events := listen(t, alice)
			_ = m.Close()
			if tt.held {
				alice.Wait("the call held", daemontest.InCall(api.CallResuming))
				return
			}
			if r := ended(t, events); r != api.ReasonLostTooLong {
				t.Errorf("the call ended because of %q, want %q", r, api.ReasonLostTooLong)
			}
		})
	}
}

func TestAPeerThatCallsAllTheTimeDoesNotFillTheJournal(t *testing.T) {
	alice, m := mallory(t, wire.FeatureResume)
	for i := range 100 {
		call := wire.CallID{1, byte(i)}
		m.say(&wire.Invite{Call: call}, &wire.End{Call: call, Reason: wire.ReasonCancelled})
		if x := m.await(wire.TypeAccept).(*wire.Accept); x.Call != call {
			t.Fatalf("call %v was answered, want %v", x.Call, call)
		}
	}
	m.say(&wire.Ping{T1: 1})
	m.await(wire.TypePong)
	if n := strings.Count(alice.Log(), "peer=mallory"); n < 20 || n > 100 {
		t.Errorf("%d lines about 100 calls, want some sixty", n)
	}
}

func TestFramesWithoutACallAreThrownAway(t *testing.T) {
	alice, m := mallory(t, wire.FeatureYUYV, wire.FeatureLZ4)
	p := wire.Frame{Width: 4096, Height: 2048, Codec: wire.CodecYUYVLZ4, Size: 70000} // data that does not unpack
	for seq := range uint64(20) {
		p.Seq = seq
		_, _ = m.Write(append(wire.AppendFrame(nil, &p), make([]byte, p.Size)...))
	}
	m.say(&wire.Ping{T1: 1})
	m.await(wire.TypePong)
	if s := alice.Status(); s.Peers[0].Link.State != api.LinkUp {
		t.Errorf("the link is %+v", s.Peers[0].Link)
	}
}

func TestEveryDamageToTheStateCostsTheCallsAndNothingElse(t *testing.T) {
	file := func(content string) func(string) error {
		return func(path string) error { return os.WriteFile(path, []byte(content), 0o600) }
	}
	valid := `{"version":1,"ids":["%032x"],"peer":"bob","direction":"out","started":"2025-01-01T00:00:00Z","answered":"2025-01-01T00:00:00Z"}`
	for _, tt := range []struct {
		name  string
		make  func(path string) error
		calls int
		told  bool
	}{
		{"no file", func(string) error { return nil }, 0, false},
		{"empty", file(""), 0, true},
		{"null", file("null"), 0, false},
		{"zeros", file(strings.Repeat("\x00", 400)), 0, true},
		{"another type", file(`{"version":1}`), 0, true},
		{"wrong types within", file(`[{"version":"1","ids":7}]`), 0, true},
		{"another version", file(strings.ReplaceAll("["+fmt.Sprintf(valid, 1)+"]", `"version":1`, `"version":2`)), 0, false},
		{"a call with nobody", file(strings.ReplaceAll("["+fmt.Sprintf(valid, 1)+"]", "bob", "dave")), 0, false},
		{"an id of zeros", file("[" + fmt.Sprintf(valid, 0) + "]"), 0, false},
		{"half an id", file(`[{"version":1,"ids":["00"],"peer":"bob"}]`), 0, true},
		{"two calls with one", file("[" + fmt.Sprintf(valid, 1) + "," + fmt.Sprintf(valid, 2) + "]"), 1, false},
		{"deep", file(strings.Repeat("[", 60000)), 0, true},
		{"huge", file("[" + strings.Repeat(" ", 1<<20) + "]"), 0, true},
		{"a directory", func(p string) error { return os.Mkdir(p, 0o700) }, 0, true},
		{"a pipe", func(p string) error { return syscall.Mkfifo(p, 0o600) }, 0, true},
		{"without an end", func(p string) error { return os.Symlink("/dev/zero", p) }, 0, true},
		{"a link to nowhere", func(p string) error { return os.Symlink("nowhere", p) }, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			alice, _ := two(t)
			if err := tt.make(filepath.Join(alice.Config.StateDir, "calls.json")); err != nil {
				t.Fatal(err)
			}
			alice.Start()
			if n := len(alice.Status().Calls); n != tt.calls {
				t.Errorf("%d calls, want %d", n, tt.calls)
			}
			if told := strings.Contains(alice.Log(), "saved calls lost"); told != tt.told {
				t.Errorf("told of it: %v, want %v\n%s", told, tt.told, alice.Log())
			}
		})
	}
}

func TestStateThatCannotBeWrittenIsToldOnce(t *testing.T) {
	alice, bob := two(t)
	bob.Config.Peers["alice"] = config.Peer{Name: "alice", ID: alice.ID.String(), AutoAnswer: true}
	if err := os.Mkdir(filepath.Join(alice.Config.StateDir, "calls.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	start(bob, alice)
	for range 3 {
		call(t, alice, bob)
		must(t)(alice.Client.Hangup(ctx(t), ""))
		bob.Wait("the end", daemontest.NoCall)
	}
	alice.Stop()
	if n := strings.Count(alice.Log(), "calls not saved"); n != 1 {
		t.Errorf("it was told %d times, want once", n)
	}
}

func TestNothingIsLeftBesideTheState(t *testing.T) {
	alice, bob := two(t)
	if err := os.WriteFile(filepath.Join(alice.Config.StateDir, ".calls.json1234567890"), []byte("half a fi"), 0o600); err != nil {
		t.Fatal(err) // as a kill in the middle of writing leaves it
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
	if got := strings.Join(names, " "); got != "calls.json identity.key lock" {
		t.Errorf("in the state directory: %s", got)
	}
	alice.Start()
	alice.Wait("the call again", daemontest.Seeing)
}

var errBadFile = errors.New("vchat.yaml:1:1: unknown key\nvchat.yaml:2:1: unknown key")

func TestReloadTouchesWhatHasChangedAndNothingElse(t *testing.T) {
	alice, bob := two(t)
	start(bob, alice)
	call(t, alice, bob)
	before := alice.Status().Calls[0]
	events := listen(t, alice)
	told := func() string {
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
	same := func(what string) {
		t.Helper()
		s := alice.Wait(what, daemontest.Seeing)
		if c := s.Calls[0]; c.ID != before.ID || !c.Since.Equal(before.Since) || c.Link.Reconnects != before.Link.Reconnects {
			t.Errorf("%s: the call %+v became %+v", what, before, c)
		}
	}

	alice.Reload(func(*config.Config) error { return errBadFile })
	if text := told(); !strings.Contains(text, "configuration not reloaded") {
		t.Errorf("told %q of a faulty file", text)
	}
	same("after a faulty file")

	alice.Reload(func(c *config.Config) error {
		c.Name, c.Listen = "alicia", "127.0.0.1:1"
		p := c.Peers["bob"]
		p.Address = "127.0.0.1:2"
		c.Peers["bob"] = p
		c.Peers["carol"] = config.Peer{Name: "carol", ID: carolsID(t), Address: "127.0.0.1:3"}
		c.Camera.Size = config.Size{Width: 160, Height: 120}
		return nil
	})
	told()
	same("after a reload")
	if s := alice.Status(); s.Name != "alicia" || len(s.Peers) != 2 {
		t.Errorf("name %q, %d peers", s.Name, len(s.Peers))
	}
	bob.Wait("the other size", func(s api.Status) bool { return s.Calls[0].Receiving != nil && s.Calls[0].Receiving.Size == "160x120" })
	for range 2 { // it says so as long as it is so
		alice.Reload(func(*config.Config) error { return nil })
	}
	if n := strings.Count(alice.Log(), `requires a restart" key=listen`); n != 3 {
		t.Errorf("told %d times of the address that takes effect later, want 3", n)
	}
	same("after more reloads")

	ends := listen(t, bob)
	alice.Reload(func(c *config.Config) error { delete(c.Peers, "bob"); return nil })
	if r := ended(t, ends); r != api.ReasonHungUp {
		t.Errorf("bob's call ended because of %q, want %q", r, api.ReasonHungUp)
	}
	if n := len(alice.Status().Calls); n != 0 {
		t.Errorf("%d calls with somebody who is not known", n)
	}
}

func carolsID(t *testing.T) string {
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	return id.ID().String()
}
