//go:build vm

package vmtest

import (
	"strings"
	"testing"
)

// TestReasons checks that a camera's fault has the same text in its status, in
// the log and at the peer.
func TestReasons(t *testing.T) {
	startCall(t)
	log := func() string { // the whole log: a slow emulation may cause the warning earlier
		return strings.ReplaceAll(sh(t, "journalctl --no-pager -o cat -u "+alice.unit), `\"`, `"`)
	}
	w := bob.watch(t)
	w.awaitFrames(t, 30)

	t.Run("dim light", func(t *testing.T) {
		alice.camera.send(t, "fps 10") // as a camera whose controls permit a longer exposure
		const reason = "exposure_dynamic_framerate is on, so automatic exposure lowers the rate in dim light"
		hasWarning := func(st deviceStatus) bool {
			return strings.Contains(strings.Join(st.Camera.Warnings, "\n"), reason)
		}
		alice.await(t, "a warning", hasWarning)
		if log := log(); len(linesWith(log, reason)) == 0 {
			t.Errorf("log: got %s\nwant %q", log, reason)
		}
		alice.addCameraKey(t, "controls: {exposure_dynamic_framerate: off}")
		w.awaitFrames(t, 30)
		alice.await(t, "the end of the warning", func(st deviceStatus) bool {
			return st.Camera.State == "streaming" && !hasWarning(st)
		})
	})

	t.Run("no permission", func(t *testing.T) {
		const dropIns = "/run/systemd/system/vchatd.service.d"
		t.Cleanup(func() { cleanUp(t, "gpasswd -a vchat video; rm -rf "+dropIns+"; systemctl daemon-reload") })
		sh(t, "gpasswd -d vchat video; mkdir -p "+dropIns+"; "+
			"printf '[Service]\nSupplementaryGroups=\n' >"+dropIns+"/groups.conf; "+
			"systemctl daemon-reload; systemctl restart "+alice.unit)
		const hint = `add this user to the group "video"`
		st := alice.await(t, "a reason", func(st deviceStatus) bool { return strings.Contains(st.Camera.Reason, hint) })
		reason := strings.TrimPrefix(st.Camera.Reason, alice.camera.node()+": ")
		bob.await(t, "the same reason", func(st deviceStatus) bool {
			return len(st.Calls) == 1 && strings.Contains(st.Calls[0].PeerCamera.Reason, reason)
		})
		if log := log(); len(linesWith(log, reason)) == 0 {
			t.Errorf("log: got %s\nwant %q", log, reason)
		}
		if list := sh(t, alice.ctl("camera list")); !strings.Contains(list, hint) {
			t.Errorf("camera list: got %s\nwant %q", list, hint)
		}
	})
}
