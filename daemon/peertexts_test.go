package daemon_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"vchat/daemon/api"
	"vchat/daemon/daemontest"
	"vchat/daemon/wire"
)

// attack is what a peer must not get onto a display. It is valid on the wire.
const attack = "\u202eevil\u2066\u200b\u200d\ufeff\u2028line\U000e0041z\u0336\u0336\u0336\u0336\u0336\u0336\u061c\u00ad"

// checkClean fails if s has a character of the attack, or lost its harmless
// part.
func checkClean(t *testing.T, where, s string) {
	t.Helper()
	if !strings.Contains(s, "evil linez\u0336") {
		t.Errorf("%s: got %+q, want the harmless part of the text in it", where, s)
	}
	checkHarmless(t, where, s)
}

func checkHarmless(t *testing.T, where, s string) {
	t.Helper()
	bad := func(r rune) bool {
		return r != '\n' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp))
	}
	if i := strings.IndexFunc(s, bad); i >= 0 {
		t.Errorf("%s: got %+q, want no such character", where, s[i:min(len(s), i+20)])
	}
	if strings.Contains(s, strings.Repeat("\u0336", 5)) {
		t.Errorf("%s: got five combining marks in a row", where)
	}
}

func TestPeerTexts(t *testing.T) {
	alice, m := newRawPeer(t, wire.FeatureText, wire.FeatureResume)
	events := listen(t, alice)
	next := func(found func(api.Event) bool) api.Event {
		t.Helper()
		for {
			ev, err := events.Next()
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(ev)
			if err != nil {
				t.Fatal(err)
			}
			checkHarmless(t, "event", string(text))
			if found(ev) {
				return ev
			}
		}
	}
	m.send(&wire.Invite{Call: wire.CallID{1}})
	m.expect(wire.TypeAccept)
	m.send(&wire.Text{ID: 1, Text: attack}, &wire.State{Camera: wire.CameraLost, Reason: attack})
	checkClean(t, "text", next(func(ev api.Event) bool { return ev.Event == api.EventText }).Text)
	ev := next(func(ev api.Event) bool { return ev.PeerCamera != nil })
	checkClean(t, "camera of the peer", ev.PeerCamera.Reason)
	status, err := json.Marshal(alice.Status())
	if err != nil {
		t.Fatal(err)
	}
	checkClean(t, "status", string(status))
	m.send(&wire.End{Call: wire.CallID{1}, Reason: wire.ReasonHungUp, Text: attack})
	checkClean(t, "end", next(func(ev api.Event) bool {
		return ev.Call != nil && ev.Call.State == api.CallEnded
	}).Call.ReasonText)
	m.send(&wire.Bye{Code: wire.CodeShutdown, Text: attack})
	s := alice.Wait("end of the link", func(s api.Status) bool { return s.Peers[0].Link.State == api.LinkDown })
	checkClean(t, "link", s.Peers[0].Link.Reason)
	alice.Stop()
	log := alice.Log()
	if !strings.Contains(log, "evil line") {
		t.Error("got a log without the texts, want them in it")
	}
	checkHarmless(t, "log", log)
}

// The name that a stranger claims appears in the log only, cleaned.
func TestPeerTexts_stranger(t *testing.T) {
	alice := daemontest.New(t, "alice")
	alice.Start()
	m := dialStranger(t, alice)
	m.send(&wire.Hello{
		VersionMin: 1, VersionMax: 1, Name: attack, Software: attack, Features: []string{wire.FeatureJPEG},
	})
	m.expect(wire.TypeBye)
	_ = m.Close()
	alice.Wait("refusal in the status", func(s api.Status) bool { return len(s.Refused) > 0 })
	alice.Stop()
	log := alice.Log()
	if !strings.Contains(log, "claimed_name=\"evil line") {
		t.Errorf("got log %s, want the claimed name in it", log)
	}
	checkHarmless(t, "log", log)
}
