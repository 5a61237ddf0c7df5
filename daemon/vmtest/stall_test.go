//go:build vm

package vmtest

import "testing"

// TestRecovery uses a camera that stays silent until a reset of its USB device.
// The daemon runs as the packaged unit: as the user vchat, with the permission
// of the udev rule.
func TestRecovery(t *testing.T) {
	startCall(t)
	w := bob.watch(t)
	w.awaitFrames(t, 30)

	// checkLog checks how often the log has lines with these texts.
	checkLog := func(t *testing.T, cursor string, want map[string]int) {
		t.Helper()
		log := alice.journalSince(t, cursor)
		for text, n := range want {
			if lines := linesWith(log, text); len(lines) != n {
				t.Errorf("log lines with %q: got %d, want %d:\n%s", text, len(lines), n, log)
			}
		}
	}

	t.Run("without usb_reset", func(t *testing.T) {
		cursor := alice.journalCursor(t)
		alice.camera.send(t, "hang on")
		alice.await(t, "a restart and three reopens", func(st deviceStatus) bool {
			return st.Camera.Restarted == 1 && st.Camera.Reopened >= 3 && st.Camera.State == "lost"
		})
		if st := alice.status(t); st.Camera.USBResets > 0 {
			t.Errorf("got camera %+v, want no USB reset", st.Camera)
		}
		alice.camera.send(t, "hang off")
		w.awaitFrames(t, 30)
		checkLog(t, cursor, map[string]int{"camera lost": 1, "stream restarted": 1, "camera recovered": 1})
	})

	t.Run("with usb_reset", func(t *testing.T) {
		alice.addCameraKey(t, "usb_reset: true")
		w.awaitFrames(t, 200) // long enough that the recovery starts with its first step again
		before, cursor := alice.status(t).Camera, alice.journalCursor(t)
		alice.camera.send(t, "hang on")
		w.awaitSilence(t)
		w.awaitFrames(t, 30)
		after := alice.await(t, "a streaming camera", func(st deviceStatus) bool {
			return st.Camera.State == "streaming"
		}).Camera
		if after.USBResets != before.USBResets+1 || after.Restarted != before.Restarted+1 ||
			after.Reopened == before.Reopened {
			t.Errorf("got camera %+v after %+v, want one restart, some reopens and one reset", after, before)
		}
		checkLog(t, cursor, map[string]int{
			"camera lost": 1, "stream restarted": 1, "usb device reset": 1, "camera recovered": 1})
	})

	t.Run("group of USB devices", func(t *testing.T) {
		sh(t, `for d in /dev/bus/usb/*/*; do case $(udevadm info -q property -n $d) in
			*ID_USB_INTERFACES=*:0e????:*) want=video ;; *) want=root ;; esac
			test $(stat -c %G $d) = $want; done`)
	})
}
