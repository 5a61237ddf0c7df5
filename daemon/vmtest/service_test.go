//go:build vm

package vmtest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestService looks at the daemon as who administers the machine does.
func TestService(t *testing.T) {
	startDevices(t)
	cameraOpen := fmt.Sprintf("ls -l /proc/$(systemctl show -P MainPID %s)/fd | grep -q /dev/video", alice.unit)

	if out := sh(t, "systemctl status --no-pager "+alice.unit); !strings.Contains(out, `Status: "`) {
		t.Errorf("systemctl status has no line from the daemon:\n%s", out)
	}
	if _, err := machine.shell(t.Context(), cameraOpen, ""); err == nil {
		t.Error("the camera is open though nobody looks")
	}
	sh(t, alice.ctl("call bob"))
	sh(t, cameraOpen)
	if out := sh(t, "systemctl status --no-pager "+alice.unit); !contains(out, `Status: "`, "bob") {
		t.Errorf("systemctl status does not say that bob is in a call:\n%s", out)
	}
	sh(t, alice.ctl("hangup"))
	eventually(t, comesBack, "! "+cameraOpen)

	t.Run("one line for one cause", func(t *testing.T) {
		sh(t, alice.ctl("call bob"))
		before := alice.journal(t)
		alice.camera.tell(t, "unplug")
		alice.has(t, "lost camera", func(st deviceStatus) bool { return st.Camera.State == "lost" })
		time.Sleep(3 * time.Second) // of trying again in vain, which is the same cause
		if lines := about("camera lost", alice.logged(t, before)); len(lines) != 1 {
			t.Errorf("%d lines about the lost camera, want 1: %q", len(lines), lines)
		}
		alice.camera.tell(t, "plug")
		sh(t, alice.ctl("hangup"))
	})

	t.Run("stop", func(t *testing.T) {
		sh(t, alice.ctl("call bob"))
		for _, d := range []device{alice, bob} {
			out := sh(t, "s=$(date +%s%N); systemctl stop "+d.unit+"; echo $(( ($(date +%s%N) - s) / 1000000 ))")
			var ms int
			if _, err := fmt.Sscan(out, &ms); err != nil || ms > 2000 {
				t.Errorf("%s: systemctl stop took %s ms (%v), want 2000 at most", d.unit, strings.TrimSpace(out), err)
			}
			if result := strings.TrimSpace(sh(t, "systemctl show -P Result "+d.unit)); result != "success" {
				t.Errorf("%s: result %s, want success", d.unit, result)
			}
		}
	})
}
