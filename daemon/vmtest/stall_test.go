//go:build vm

package vmtest

import "testing"

// TestStallLadder has a camera that goes silent and that only a reset of its USB device wakes. The daemon runs as the unit
// says: as the user vchat, and udev's rule alone permits it the reset.
func TestStallLadder(t *testing.T) {
	startCall(t)
	w := bob.watch(t)
	w.frames(t, 30)

	t.Run("without usb_reset", func(t *testing.T) {
		since := alice.journal(t)
		alice.camera.tell(t, "hang on")
		alice.has(t, "restart and reopening", func(st deviceStatus) bool {
			return st.Camera.Restarted == 1 && st.Camera.Reopened >= 3 && st.Camera.State == "lost"
		})
		if st := alice.status(t); st.Camera.USBResets > 0 {
			t.Errorf("%+v: reset, though nobody permitted it", st.Camera)
		}
		alice.camera.tell(t, "hang off")
		w.frames(t, 30)
		for what, n := range map[string]int{"camera lost": 1, "stream restarted": 1, "camera recovered": 1} {
			if lines := about(what, alice.logged(t, since)); len(lines) != n {
				t.Errorf("%q is logged %d times, want %d: %q", what, len(lines), n, lines)
			}
		}
	})

	t.Run("with usb_reset", func(t *testing.T) {
		alice.setCamera(t, "usb_reset: true")
		w.frames(t, 200) // longer than what counts as healthy, so that the ladder begins at its foot
		before, since := alice.status(t).Camera, alice.journal(t)
		alice.camera.tell(t, "hang on")
		w.silence(t)
		w.frames(t, 30)
		after := alice.has(t, "streaming camera", func(st deviceStatus) bool { return st.Camera.State == "streaming" }).Camera
		if after.USBResets != before.USBResets+1 || after.Restarted != before.Restarted+1 || after.Reopened == before.Reopened {
			t.Errorf("before %+v, after %+v, want one restart, a reopening and one reset", before, after)
		}
		log := alice.logged(t, since)
		for what, n := range map[string]int{"camera lost": 1, "stream restarted": 1, "usb device reset": 1, "camera recovered": 1} {
			if lines := about(what, log); len(lines) != n {
				t.Errorf("%q is logged %d times, want %d:\n%s", what, len(lines), n, log)
			}
		}
	})

	t.Run("rights", func(t *testing.T) {
		sh(t, `for d in /dev/bus/usb/*/*; do case $(udevadm info -q property -n $d) in
			*ID_USB_INTERFACES=*:0e????:*) want=video ;; *) want=root ;; esac
			test $(stat -c %G $d) = $want; done`)
	})
}
