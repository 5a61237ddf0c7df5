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

// nextText waits for a line among events.
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

func say(t *testing.T, d *daemontest.Device, text string) {
	t.Helper()
	if err := d.Client.Say(ctx(t), "", text); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsSaidIsShownOnBothSides(t *testing.T) {
	alice, bob := two(t)
	start(bob, alice)
	call(t, alice, bob)
	here, there := listen(t, alice), listen(t, bob)
	expect := func(events *client.Events, want string) {
		t.Helper()
		if e := nextText(t, events); fmt.Sprint(e.Peer, " ", e.From, " ", e.Text) != want {
			t.Errorf("%s %s %s, want %s", e.Peer, e.From, e.Text, want)
		}
	}
	say(t, alice, "grüße, 你好 👋")
	expect(here, "bob local grüße, 你好 👋")
	expect(there, "alice remote grüße, 你好 👋")
	say(t, bob, "and to you")
	expect(there, "alice local and to you")
	expect(here, "bob remote and to you")
}

func TestWhatCannotBeSaid(t *testing.T) {
	alice, bob := two(t)
	start(bob, alice)
	refused := func(d *daemontest.Device, peer, text string, want api.Kind) {
		t.Helper()
		var e *api.Error
		if err := d.Client.Say(ctx(t), peer, text); !errors.As(err, &e) || e.Kind != want {
			t.Errorf("%.20q to %q: %v, want %s", text, peer, err, want)
		}
	}
	refused(alice, "", "hello", api.NoSuchCall)
	refused(alice, "bob", "hello", api.NoSuchCall)
	refused(alice, "dave", "hello", api.NoSuchPeer)
	must(t)(alice.Client.Call(ctx(t), api.CallRequest{Peer: "bob"}))
	bob.Wait("ringing", daemontest.InCall(api.CallIncoming))
	refused(alice, "", "hello", api.Conflict)
	refused(bob, "alice", "hello", api.Conflict)
	must(t)(bob.Client.Answer(ctx(t), ""))
	alice.Wait("the call", daemontest.InCall(api.CallActive))
	for _, text := range []string{"", "  ", "two\nlines", "\x1b[31mred", "back\rto the start", "a\u2028b", "del\x7f", strings.Repeat("é", 1001)} {
		refused(alice, "", text, api.BadValue)
	}
	say(t, alice, strings.Repeat("é", 1000))
	bob.Stop()
	alice.Wait("the link lost", daemontest.InCall(api.CallResuming))
	refused(alice, "", "hello", api.PeerUnreachable)
}

func TestTextIsNotSaidToWhoCannotShowIt(t *testing.T) {
	alice, m := mallory(t)
	m.say(&wire.Invite{Call: wire.CallID{1}})
	m.await(wire.TypeAccept)
	var e *api.Error
	if err := alice.Client.Say(ctx(t), "", "hello"); !errors.As(err, &e) || e.Kind != api.Unsupported {
		t.Errorf("it was answered with %v", err)
	}
}

func TestTheTalkGoesOnAfterARestartOfEitherSide(t *testing.T) {
	alice, bob := two(t)
	start(bob, alice)
	call(t, alice, bob)
	there := listen(t, bob)
	say(t, alice, "one")
	say(t, alice, "two")
	nextText(t, there)
	nextText(t, there)
	alice.Stop()
	bob.Wait("the link lost", daemontest.InCall(api.CallResuming))
	alice.Start()
	alice.Wait("the call again", daemontest.InCall(api.CallActive))
	say(t, alice, "three")
	if e := nextText(t, there); e.Text != "three" {
		t.Errorf("bob heard %q after the restart, want three", e.Text)
	}
}

func TestWhoHasLostTheCallAndInvitesAgainIsHeard(t *testing.T) {
	alice, m := mallory(t, wire.FeatureText, wire.FeatureResume)
	events := listen(t, alice)
	m.say(&wire.Invite{Call: wire.CallID{1}})
	m.await(wire.TypeAccept)
	m.say(&wire.Text{ID: 9, Text: "before"}, &wire.Invite{Call: wire.CallID{2}})
	m.await(wire.TypeAccept)
	m.say(&wire.Text{ID: 1, Text: "after"})
	for _, want := range []string{"before", "after"} {
		if e := nextText(t, events); e.Text != want {
			t.Errorf("heard %q, want %q", e.Text, want)
		}
	}
}

func TestWhatMayBeLostWithALinkIsSaidAgainOnTheNext(t *testing.T) {
	features := []string{wire.FeatureText, wire.FeatureResume}
	alice, m := mallory(t, features...)
	id := wire.CallID{1}
	m.say(&wire.Invite{Call: id})
	m.await(wire.TypeAccept)
	say(t, alice, "one")
	say(t, alice, "two")
	_ = m.Close()
	alice.Wait("the link lost", daemontest.InCall(api.CallResuming))
	m = connect(t, alice, m.id, features...)
	m.await(wire.TypeResume)
	m.say(&wire.Resume{Call: id})
	for i, want := range []string{"one", "two"} {
		if x := m.await(wire.TypeText).(*wire.Text); x.Text != want || x.ID != uint64(i+1) {
			t.Errorf("said again: %+v, want %q with id %d", x, want, i+1)
		}
	}
}

func TestWhatIsHeardIsOneLine(t *testing.T) {
	alice, m := mallory(t, wire.FeatureText)
	events := listen(t, alice)
	m.say(&wire.Invite{Call: wire.CallID{1}})
	m.await(wire.TypeAccept)
	m.say(&wire.Text{ID: 1, Text: "\n\t"}, &wire.Text{ID: 2, Text: "a\nb\tc\u2028d\n"})
	if e := nextText(t, events); e.Text != "a b c d" || e.From != api.SideRemote {
		t.Errorf("heard %q from %s", e.Text, e.From)
	}
}

// A peer may talk, but not without end.
func TestAFloodOfTextsIsBounded(t *testing.T) {
	alice, m := mallory(t, wire.FeatureText)
	events := listen(t, alice)
	id := wire.CallID{1}
	m.say(&wire.Invite{Call: id})
	m.await(wire.TypeAccept)
	flood := []wire.Message{}
	for i := range uint64(500) {
		flood = append(flood, &wire.Text{ID: i, Text: "!"})
	}
	m.say(append(flood, &wire.End{Call: id, Reason: wire.ReasonHungUp})...)
	// Messages are paced to a hundred a second behind the first hundred: 4 s, in which 8 a second may come.
	if n := len(texts(t, events)); n < 64 || n > 250 {
		t.Errorf("%d of 500 lines were shown", n)
	}
}

func TestAFloodOfOursIsRefused(t *testing.T) {
	alice, bob := two(t)
	bob.Config.Peers["alice"] = func(p config.Peer) config.Peer { p.AutoAnswer = true; return p }(bob.Config.Peers["alice"])
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
	t.Error("a thousand lines were taken at once")
}
