package daemon_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/client"
	"vchat/daemon/daemontest"
	"vchat/daemon/wire"
)

// nextText returns the next message among the events.
func nextText(t *testing.T, e *client.Events) api.Event {
	t.Helper()
	for {
		ev, err := e.Next()
		if err != nil {
			t.Fatal(err)
		}
		if ev.Event == api.EventText {
			return ev
		}
	}
}

// say sends a message from d to the peer of its only call.
func say(t *testing.T, d *daemontest.Device, text string) {
	t.Helper()
	if err := d.Client.Say(ctx(t), "", text); err != nil {
		t.Fatal(err)
	}
}

func TestSay(t *testing.T) {
	alice, bob := two(t)
	start(bob, alice)
	call(t, alice, bob)
	aliceEvents, bobEvents := listen(t, alice), listen(t, bob)
	expect := func(events *client.Events, want string) {
		t.Helper()
		if e := nextText(t, events); fmt.Sprint(e.Peer, " ", e.From, " ", e.Text) != want {
			t.Errorf("got %s %s %s, want %s", e.Peer, e.From, e.Text, want)
		}
	}
	say(t, alice, "grüße, 你好 👋")
	expect(aliceEvents, "bob local grüße, 你好 👋")
	expect(bobEvents, "alice remote grüße, 你好 👋")
	say(t, bob, "and to you")
	expect(bobEvents, "alice local and to you")
	expect(aliceEvents, "bob remote and to you")
}

func TestSay_refused(t *testing.T) {
	alice, bob := two(t)
	start(bob, alice)
	refused := func(d *daemontest.Device, peer, text string, want api.Kind) {
		t.Helper()
		var e *api.Error
		if err := d.Client.Say(ctx(t), peer, text); !errors.As(err, &e) || e.Kind != want {
			t.Errorf("%.20q to %q: got %v, want %s", text, peer, err, want)
		}
	}
	refused(alice, "", "hello", api.NoSuchCall)
	refused(alice, "bob", "hello", api.NoSuchCall)
	refused(alice, "dave", "hello", api.NoSuchPeer)
	must(t)(alice.Client.Call(ctx(t), api.CallRequest{Peer: "bob"}))
	bob.Wait("ringing call", daemontest.InCall(api.CallIncoming))
	refused(alice, "", "hello", api.Conflict)
	refused(bob, "alice", "hello", api.Conflict)
	must(t)(bob.Client.Answer(ctx(t), ""))
	alice.Wait("active call", daemontest.InCall(api.CallActive))
	for _, text := range []string{
		"", "  ", "two\nlines", "\x1b[31mred", "back\rto the start", "a\u2028b", "del\x7f", strings.Repeat("é", 1001),
	} {
		refused(alice, "", text, api.BadValue)
	}
	say(t, alice, strings.Repeat("é", 1000))
	bob.Stop()
	alice.Wait("lost link", daemontest.InCall(api.CallResuming))
	refused(alice, "", "hello", api.PeerUnreachable)
}

func TestSay_peerWithoutText(t *testing.T) {
	alice, m := newRawPeer(t)
	m.send(&wire.Invite{Call: wire.CallID{1}})
	m.expect(wire.TypeAccept)
	var e *api.Error
	if err := alice.Client.Say(ctx(t), "", "hello"); !errors.As(err, &e) || e.Kind != api.Unsupported {
		t.Errorf("got %v, want %s", err, api.Unsupported)
	}
}

func TestSay_afterARestart(t *testing.T) {
	alice, bob := two(t)
	start(bob, alice)
	call(t, alice, bob)
	events := listen(t, bob)
	say(t, alice, "one")
	say(t, alice, "two")
	nextText(t, events)
	nextText(t, events)
	alice.Stop()
	bob.Wait("lost link", daemontest.InCall(api.CallResuming))
	alice.Start()
	alice.Wait("resumed call", daemontest.InCall(api.CallActive))
	say(t, alice, "three")
	if e := nextText(t, events); e.Text != "three" {
		t.Errorf("got %q after the restart, want three", e.Text)
	}
}

func TestReceiveText_afterANewInvite(t *testing.T) {
	alice, m := newRawPeer(t, wire.FeatureText, wire.FeatureResume)
	events := listen(t, alice)
	m.send(&wire.Invite{Call: wire.CallID{1}})
	m.expect(wire.TypeAccept)
	m.send(&wire.Text{ID: 9, Text: "before"}, &wire.Invite{Call: wire.CallID{2}})
	m.expect(wire.TypeAccept)
	m.send(&wire.Text{ID: 1, Text: "after"})
	for _, want := range []string{"before", "after"} {
		if e := nextText(t, events); e.Text != want {
			t.Errorf("got %q, want %q", e.Text, want)
		}
	}
}

func TestSay_resentOnTheNextLink(t *testing.T) {
	features := []string{wire.FeatureText, wire.FeatureResume}
	alice, m := newRawPeer(t, features...)
	id := wire.CallID{1}
	m.send(&wire.Invite{Call: id})
	m.expect(wire.TypeAccept)
	say(t, alice, "one")
	say(t, alice, "two")
	_ = m.Close()
	alice.Wait("lost link", daemontest.InCall(api.CallResuming))
	m = connect(t, alice, m.id, features...)
	m.expect(wire.TypeResume)
	m.send(&wire.Resume{Call: id})
	for i, want := range []string{"one", "two"} {
		if x := m.expect(wire.TypeText).(*wire.Text); x.Text != want || x.ID != uint64(i+1) {
			t.Errorf("got resent %+v, want %q with id %d", x, want, i+1)
		}
	}
}

func TestReceiveText_singleLine(t *testing.T) {
	alice, m := newRawPeer(t, wire.FeatureText)
	events := listen(t, alice)
	m.send(&wire.Invite{Call: wire.CallID{1}})
	m.expect(wire.TypeAccept)
	m.send(&wire.Text{ID: 1, Text: "\n\t"}, &wire.Text{ID: 2, Text: "a\nb\tc\u2028d\n"})
	if e := nextText(t, events); e.Text != "a b c d" || e.From != api.SideRemote {
		t.Errorf("got %q from %s, want \"a b c d\" from %s", e.Text, e.From, api.SideRemote)
	}
}

func TestReceiveText_rateLimit(t *testing.T) {
	alice, m := newRawPeer(t, wire.FeatureText)
	events := listen(t, alice)
	id := wire.CallID{1}
	m.send(&wire.Invite{Call: id})
	m.expect(wire.TypeAccept)
	flood := []wire.Message{}
	for i := range uint64(500) {
		flood = append(flood, &wire.Text{ID: i, Text: "!"})
	}
	m.send(append(flood, &wire.End{Call: id, Reason: wire.ReasonHungUp})...)
	// After a burst of 100 the link reads 100 messages a second, so 500 take 4
	// s. Of those the limit passes 8 a second and its burst.
	if n := len(texts(t, events)); n < 64 || n > 250 {
		t.Errorf("got %d of 500 lines, want 64 to 250", n)
	}
}

func TestSay_rateLimit(t *testing.T) {
	alice, bob := two(t)
	bob.Config.Peers["alice"] = config.Peer{Name: "alice", ID: alice.ID.String(), AutoAnswer: true}
	start(bob, alice)
	call(t, alice, bob)
	for range 1000 {
		var e *api.Error
		if err := alice.Client.Say(ctx(t), "", "!"); errors.As(err, &e) && e.Kind == api.RateLimited {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
	t.Error("got 1000 lines accepted at once, want an error of the rate limit")
}
