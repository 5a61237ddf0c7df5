//go:build vm

package vmtest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestService checks the packaged unit by the tools of an administrator.
func TestService(t *testing.T) {
	startDevices(t)
	cameraOpen := fmt.Sprintf("ls -l /proc/$(systemctl show -P MainPID %s)/fd | grep -q /dev/video", alice.unit)

	t.Run("status", func(t *testing.T) {
		if out := sh(t, "systemctl status --no-pager "+alice.unit); !strings.Contains(out, `Status: "`) {
			t.Errorf("systemctl status: got %s\nwant a status line", out)
		}
		if _, err := machine.shell(t.Context(), cameraOpen, ""); err == nil {
			t.Error("without readers: got an open camera, want it closed")
		}
		sh(t, alice.ctl("call bob"))
		sh(t, cameraOpen)
		if out := sh(t, "systemctl status --no-pager "+alice.unit); !containsAll(out, `Status: "`, "bob") {
			t.Errorf("systemctl status in a call: got %s\nwant a status line with bob", out)
		}
		sh(t, alice.ctl("hangup"))
		eventually(t, waitTimeout, "! "+cameraOpen)
	})

	t.Run("one line for one cause", func(t *testing.T) {
		sh(t, alice.ctl("call bob"))
		cursor := alice.journalCursor(t)
		alice.camera.send(t, "unplug")
		alice.await(t, "a lost camera", func(st deviceStatus) bool { return st.Camera.State == "lost" })
		time.Sleep(3 * time.Second) // for failed retries: the same cause
		if lines := linesWith(alice.journalSince(t, cursor), "camera lost"); len(lines) != 1 {
			t.Errorf("lines about the lost camera: got %q, want 1", lines)
		}
		alice.camera.send(t, "plug")
		sh(t, alice.ctl("hangup"))
	})

	t.Run("stop", func(t *testing.T) {
		sh(t, alice.ctl("call bob"))
		for _, d := range []device{alice, bob} {
			out := sh(t, "s=$(date +%s%N); systemctl stop "+d.unit+"; echo $(( ($(date +%s%N) - s) / 1000000 ))")
			var ms int
			if _, err := fmt.Sscan(out, &ms); err != nil || ms > 2000 {
				t.Errorf("%s: systemctl stop: got %s ms, %v, want at most 2000", d.unit, strings.TrimSpace(out), err)
			}
			if result := strings.TrimSpace(sh(t, "systemctl show -P Result "+d.unit)); result != "success" {
				t.Errorf("%s: got result %s, want success", d.unit, result)
			}
		}
	})
}
