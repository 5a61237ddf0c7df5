//go:build vm

package vmtest

import (
	"strings"
	"testing"
	"time"
)

// TestPrivacy switches alice's camera off during a call, and has everybody try to get it on again.
func TestPrivacy(t *testing.T) {
	t.Cleanup(func() { cleanUp(t, "rm -f "+alice.stateDir+"/privacy "+bob.stateDir+"/privacy") })
	startDevices(t)
	countOpens(t)
	sh(t, alice.ctl("call bob"))
	w := bob.watch(t)
	well := w.frames(t, 20)
	if u := alice.cameraUse(t); u.held() != 1 {
		t.Fatalf("alice in a call: %+v, want 1 held open", u)
	}

	sh(t, alice.ctl("privacy on"))
	off := alice.cameraUse(t)
	if off.held() != 0 {
		t.Errorf("%+v when the command ended, want the camera closed", off)
	}
	stillOff := func(when string) {
		t.Helper()
		time.Sleep(2 * time.Second)
		if u := alice.cameraUse(t); u.opened != off.opened || u.held() != 0 {
			t.Errorf("%s: %+v after %+v: the camera was opened", when, u, off)
		}
		if st := alice.status(t); !st.Privacy || st.Camera.State == "streaming" {
			t.Errorf("%s: privacy %v, camera %s", when, st.Privacy, st.Camera.State)
		}
	}
	w.until(t, "card instead of the camera's frame", func(r frameReport) bool { return r.Cards > well.Cards })
	w.silence(t)
	bob.has(t, "word of alice's privacy", func(st deviceStatus) bool {
		return len(st.Calls) == 1 && st.Calls[0].PeerCamera.State == "privacy"
	})
	if out := sh(t, alice.ctl("status")); !strings.Contains(out, "privacy") {
		t.Errorf("alice's status does not say privacy:\n%s", out)
	}
	stillOff("in the call")

	sh(t, "timeout 3 "+alice.ctl("view self --to pipe")+" >/dev/null || true")
	stillOff("after a viewer of her own")
	sh(t, bob.ctl("privacy on")+"; "+bob.ctl("privacy off"))
	stillOff("after bob has lifted his own privacy")
	sh(t, bob.ctl("hangup"))
	for _, d := range []device{alice, bob} {
		d.has(t, "end of the call", func(st deviceStatus) bool { return len(st.Calls) == 0 || st.Calls[0].State == "ended" })
	}
	sh(t, bob.ctl("call alice --no-wait"))
	active := func(st deviceStatus) bool { return len(st.Calls) > 0 && st.Calls[0].State == "active" }
	alice.has(t, "call from bob", active)
	stillOff("in a call from bob")
	sh(t, "systemctl reload "+alice.unit)
	stillOff("after a reload")

	sh(t, "systemctl restart "+alice.unit)
	alice.has(t, "resumed call", active)
	w = bob.watch(t)
	w.until(t, "card", func(r frameReport) bool { return r.Cards > 0 })
	off = cameraUse{} // this daemon's
	stillOff("after a restart")
	if r, err := w.report(); r.own() > 0 || err != nil {
		t.Errorf("bob saw %+v (%v), want cards alone", r, err)
	}

	sh(t, alice.ctl("privacy off"))
	w.frames(t, 20)
	if u, st := alice.cameraUse(t), alice.status(t); u.held() != 1 || st.Privacy {
		t.Errorf("privacy lifted: %+v, privacy %v; want 1 held open", u, st.Privacy)
	}
	bob.has(t, "word of alice's camera", func(st deviceStatus) bool {
		return len(st.Calls) == 1 && st.Calls[0].PeerCamera.State == "streaming"
	})
}
