//go:build vm

package vmtest

import (
	"strings"
	"testing"
)

// TestDoctor runs vchatctl doctor where it belongs: a booted systemd, the
// packaged unit, and a camera that the kernel's own driver serves.
func TestDoctor(t *testing.T) {
	startDevices(t)
	// In emulation the first frames may take longer than doctor waits.
	doctor := func(t *testing.T, args string, want ...string) (out string) {
		t.Helper()
		for range 5 {
			if out = sh(t, alice.ctl("doctor "+args)+" || true"); containsAll(out, want...) {
				return out
			}
		}
		t.Errorf("got %s\nwant %q", out, want)
		return out
	}
	// Bob is "reachable at" an address or "connected from" it: either dials.
	doctor(t, "", "ok   vchatd: ", "ok   config: "+alice.config+" is in effect", "ok   camera "+alice.camera.node(),
		"delivers mjpeg 1280x720 at ", "it offers MJPG", "ok   usb /dev/video", "ok   peer bob: ", " 10.7.0.2",
		"round trip")
	out := doctor(t, "--report", "ok   peer peer-1: ", "delivers mjpeg")
	if strings.Contains(out, "10.7.0.") || strings.Contains(out, "bob") {
		t.Errorf("got %s\nwant no address and no name in a report", out)
	}

	sh(t, "systemctl stop "+bob.unit)
	doctor(t, "", "!    peer bob: it cannot be reached: ", "problem")
	alice.camera.send(t, "unplug")
	doctor(t, "", "!    camera "+alice.camera.node())
	alice.camera.send(t, "plug")

	const stop = "systemctl stop vchatd.socket vchatd" // the socket would start it
	sh(t, stop)
	doctor(t, "", "!    vchatd: stopped\n     sudo systemctl enable --now vchatd",
		"ok   config: "+alice.config+" has no fault", "ok   camera /dev/video")
	writeFile(t, alice.config, "nam: alice\n")
	sh(t, "rm -f "+alice.stateDir+"/last-good.yaml; systemctl start vchatd.socket; "+alice.ctl("status")+
		" || true; "+stop)
	doctor(t, "", "!    vchatd: stopped", "!    config: "+alice.config+":1:1: ")
}
