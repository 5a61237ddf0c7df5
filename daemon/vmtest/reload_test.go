//go:build vm

package vmtest

import (
	"strings"
	"testing"
)

// TestReload checks that an administrator sees a refused configuration, and
// that the device comes back with a faulty file.
func TestReload(t *testing.T) {
	startDevices(t)
	t.Cleanup(func() { cleanUp(t, "mv /run/good.yaml "+alice.config+" || true") })
	sh(t, "cp "+alice.config+" /run/good.yaml; systemctl reload "+alice.unit)
	status := func(t *testing.T) string {
		return sh(t, "systemctl status --no-pager -n 0 "+alice.unit+"; "+alice.ctl("status"))
	}
	for name, damage := range map[string]string{
		"fault":   "echo 'nmae: x' >> " + alice.config,
		"missing": "rm " + alice.config,
		"FIFO":    "rm -f " + alice.config + "; mkfifo " + alice.config,
	} {
		t.Run(name, func(t *testing.T) {
			sh(t, "cp --remove-destination /run/good.yaml "+alice.config+"; systemctl reload "+alice.unit)
			if out := status(t); strings.Contains(out, "! config") {
				t.Fatalf("good file: got %s\nwant no problem", out)
			}
			sh(t, damage+"; ! systemctl reload "+alice.unit)
			for _, when := range []string{"after the reload", "after a restart"} {
				if out := status(t); !containsAll(out, "active (running)", "configuration refused: "+alice.config,
					"! config "+alice.config) {
					t.Errorf("%s: got %s\nwant the fault in both", when, out)
				}
				sh(t, "systemctl restart "+alice.unit)
			}
		})
	}
}
