//go:build vm

package vmtest

import (
	"strings"
	"testing"
)

// TestReasons has what is wrong with a camera in the same words in its own status, in the log and on the other side.
func TestReasons(t *testing.T) {
	startCall(t)
	log := func() string { // all of it: the emulation may be slow from the start
		return strings.ReplaceAll(sh(t, "journalctl --no-pager -o cat -u "+alice.unit), `\"`, `"`)
	}
	w := bob.watch(t)
	w.frames(t, 30)

	t.Run("dim light", func(t *testing.T) {
		alice.camera.tell(t, "fps 10") // as a camera that takes longer for a frame, which its controls permit
		const why = "exposure_dynamic_framerate is on, so automatic exposure lowers the rate in dim light"
		warned := func(st deviceStatus) bool { return strings.Contains(strings.Join(st.Camera.Warnings, "\n"), why) }
		alice.has(t, "warning", warned)
		if log := log(); len(about(why, log)) == 0 {
			t.Errorf("the log does not say %q:\n%s", why, log)
		}
		alice.setCamera(t, "controls: {exposure_dynamic_framerate: off}")
		w.frames(t, 30)
		alice.has(t, "end of the warning", func(st deviceStatus) bool { return st.Camera.State == "streaming" && !warned(st) })
	})

	t.Run("no permission", func(t *testing.T) {
		const dropIn = "/run/systemd/system/vchatd.service.d"
		t.Cleanup(func() { cleanUp(t, "gpasswd -a vchat video; rm -rf "+dropIn+"; systemctl daemon-reload") })
		sh(t, "gpasswd -d vchat video; mkdir -p "+dropIn+"; printf '[Service]\nSupplementaryGroups=\n' >"+dropIn+"/groups.conf; "+
			"systemctl daemon-reload; systemctl restart "+alice.unit)
		const why = `add this user to the group "video"`
		st := alice.has(t, "reason", func(st deviceStatus) bool { return strings.Contains(st.Camera.Reason, why) })
		reason := strings.TrimPrefix(st.Camera.Reason, alice.camera.node()+": ")
		bob.has(t, "same reason", func(st deviceStatus) bool {
			return len(st.Calls) == 1 && strings.Contains(st.Calls[0].PeerCamera.Reason, reason)
		})
		if log := log(); len(about(reason, log)) == 0 {
			t.Errorf("the log does not say %q:\n%s", reason, log)
		}
		if list := sh(t, alice.ctl("camera list")); !strings.Contains(list, why) {
			t.Errorf("camera list does not say %q:\n%s", why, list)
		}
	})
}
