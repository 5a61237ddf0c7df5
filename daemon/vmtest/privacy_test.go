//go:build vm

package vmtest

import (
	"strings"
	"testing"
	"time"
)

// TestPrivacy turns alice's privacy mode on during a call. Then it does all
// that must not open her camera.
func TestPrivacy(t *testing.T) {
	t.Cleanup(func() { cleanUp(t, "rm -f "+alice.stateDir+"/privacy "+bob.stateDir+"/privacy") })
	startDevices(t)
	traceOpens(t)
	sh(t, alice.ctl("call bob"))
	w := bob.watch(t)
	before := w.awaitFrames(t, 20)
	if u := alice.cameraUse(t); u.open() != 1 {
		t.Fatalf("alice in a call: got use %+v, want 1 open camera", u)
	}

	sh(t, alice.ctl("privacy on"))
	closed := alice.cameraUse(t)
	if closed.open() != 0 {
		t.Errorf("after the command privacy on: got use %+v, want no open camera", closed)
	}
	checkClosed := func(when string) {
		t.Helper()
		time.Sleep(2 * time.Second)
		if u := alice.cameraUse(t); u.opened != closed.opened || u.open() != 0 {
			t.Errorf("%s: got use %+v after %+v, want no open", when, u, closed)
		}
		if st := alice.status(t); !st.Privacy || st.Camera.State == "streaming" {
			t.Errorf("%s: got privacy %v and camera %s, want true and not streaming", when, st.Privacy, st.Camera.State)
		}
	}
	w.await(t, "a card", func(r frameReport) bool { return r.Cards > before.Cards })
	w.awaitSilence(t)
	bob.await(t, "alice's privacy mode", func(st deviceStatus) bool {
		return len(st.Calls) == 1 && st.Calls[0].PeerCamera.State == "privacy"
	})
	if out := sh(t, alice.ctl("status")); !strings.Contains(out, "privacy") {
		t.Errorf("alice's status: got %q, want it to mention privacy", out)
	}
	checkClosed("in the call")

	sh(t, "timeout 3 "+alice.ctl("view self --to pipe")+" >/dev/null || true")
	checkClosed("after a local viewer")
	sh(t, bob.ctl("privacy on")+"; "+bob.ctl("privacy off"))
	checkClosed("after bob's privacy mode")
	sh(t, bob.ctl("hangup"))
	for _, d := range []device{alice, bob} {
		d.await(t, "the end of the call", func(st deviceStatus) bool {
			return len(st.Calls) == 0 || st.Calls[0].State == "ended"
		})
	}
	sh(t, bob.ctl("call alice --no-wait"))
	active := func(st deviceStatus) bool { return len(st.Calls) > 0 && st.Calls[0].State == "active" }
	alice.await(t, "a call from bob", active)
	checkClosed("in a call from bob")
	sh(t, "systemctl reload "+alice.unit)
	checkClosed("after a reload")

	sh(t, "systemctl restart "+alice.unit)
	alice.await(t, "a resumed call", active)
	w = bob.watch(t)
	w.await(t, "a card", func(r frameReport) bool { return r.Cards > 0 })
	closed = cameraUse{} // of the new process
	checkClosed("after a restart")
	if r, err := w.report(); r.intact() > 0 || err != nil {
		t.Errorf("bob's viewer: got frames %+v, %v, want only cards", r, err)
	}

	sh(t, alice.ctl("privacy off"))
	w.awaitFrames(t, 20)
	if u, st := alice.cameraUse(t), alice.status(t); u.open() != 1 || st.Privacy {
		t.Errorf("after privacy off: got use %+v and privacy %v, want 1 open camera and no privacy", u, st.Privacy)
	}
	bob.await(t, "alice's streaming camera", func(st deviceStatus) bool {
		return len(st.Calls) == 1 && st.Calls[0].PeerCamera.State == "streaming"
	})
}
