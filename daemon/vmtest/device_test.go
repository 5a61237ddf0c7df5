//go:build vm

package vmtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A device is a vchatd in the guest, in a network namespace with its name.
type device struct {
	name, unit, config, socket, stateDir string
	address                              string
	camera                               simCamera
	size                                 string
	fps                                  int
}

// Most tests check alice's frames at bob's side. Bob's frames are small, so
// that emulation has time for alice's.
var (
	alice = device{name: "alice", unit: "vchatd", config: "/etc/vchat.yaml", socket: "/run/vchat/control.sock",
		stateDir: "/var/lib/vchat", address: "10.7.0.1:7450", camera: alicesCamera, size: "1280x720", fps: 30}
	bob = device{name: "bob", unit: "vchatd-bob", config: "/etc/vchat-bob.yaml", socket: "/run/vchat-bob/control.sock",
		stateDir: "/var/lib/vchat-bob", address: "10.7.0.2:7450", camera: bobsCamera, size: "320x240", fps: 5}
)

func (d device) peer() device {
	if d.name == alice.name {
		return bob
	}
	return alice
}

// install installs vchat in the guest, once for all tests.
var install = sync.OnceValue(func() error {
	if err := buildInto(shareDir, "vchat/cmd/vchatd", "vchat/cmd/vchatctl"); err != nil {
		return err
	}
	packaging := filepath.Join("..", "..", "packaging")
	if err := os.CopyFS(filepath.Join(shareDir, "packaging"), os.DirFS(packaging)); err != nil {
		return err
	}
	_, err := machine.shell(context.Background(), "bash /mnt/host/guest/product.sh", "")
	return err
})

// configure writes the configuration of the device, with its peer unless peerID
// is "".
func (d device) configure(t *testing.T, peerID string) {
	t.Helper()
	text := fmt.Sprintf(`name: %s
camera:
  device: %s
  size: %s
  fps: %d
discovery: false
state_dir: %s
control:
  socket: %s
`, d.name, d.camera.node(), d.size, d.fps, d.stateDir, d.socket)
	if peerID != "" {
		text += fmt.Sprintf(`peers:
  %s:
    address: %s
    id: %s
    auto_answer: true
`, d.peer().name, d.peer().address, peerID)
	}
	writeFile(t, d.config, text)
	sh(t, "vchatd check-config "+d.config)
}

// addCameraKey adds a line to the camera's configuration and reloads it.
func (d device) addCameraKey(t *testing.T, line string) {
	t.Helper()
	sh(t, fmt.Sprintf(`sed -i 's|^camera:|&\n  %s|' %s && vchatd check-config %[2]s && systemctl reload %s`,
		line, d.config, d.unit))
}

// ctl returns a script that runs vchatctl for this device, as the ordinary user
// tester, who is in the group vchat.
func (d device) ctl(args string) string {
	return fmt.Sprintf("runuser -u tester -- vchatctl --socket %s %s", d.socket, args)
}

func (d device) id(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(sh(t, d.ctl("id")))
}

// A deviceStatus is the part of `vchatctl status --json` that the tests check.
type deviceStatus struct {
	Camera struct {
		State, Reason, Format, Size string
		Frames, Dropped, Broken     int
		Restarted, Reopened         int
		USBResets                   int            `json:"usb_resets"`
		BrokenBy                    map[string]int `json:"broken_by"`
		Warnings                    []string
	}
	Privacy bool
	Pairing struct{ State, Code string } // zero if there is none
	Calls   []struct {
		Peer, State string
		PeerCamera  struct{ State, Reason string } `json:"peer_camera"`
	}
}

func (d device) status(t *testing.T) (st deviceStatus) {
	t.Helper()
	decode(t, sh(t, d.ctl("status --json")+` | tr -d '\n'`), &st)
	return st
}

// await waits for a status that satisfies ok. what is its name in a failure.
func (d device) await(t *testing.T, what string, ok func(deviceStatus) bool) deviceStatus {
	t.Helper()
	for deadline := time.Now().Add(waitTimeout); ; time.Sleep(200 * time.Millisecond) {
		st := d.status(t)
		if ok(st) {
			return st
		}
		if time.Now().After(deadline) {
			// The stacks show where the daemon hangs, if it does.
			stacks := strings.Join(d.goroutines(t), "")
			t.Fatalf("%s after %v: got status %+v, want %s\n%s", d.name, waitTimeout, st, what, stacks)
		}
	}
}

// kernelState returns a script that prints where the unit's threads wait in the
// kernel, the cameras, and the end of the kernel log.
func kernelState(unit string) string {
	return `p=$(systemctl show -P MainPID ` + unit + `); test $p = 0 || for t in /proc/$p/task/*; do
			echo $(cat $t/wchan) $(grep State $t/status); ! grep -q 'State:.*D' $t/status || cat $t/stack; done
		ls /dev/video* /dev/v4l/by-id || true; cat /sys/devices/platform/vhci_hcd.0/status; dmesg | tail -n 15`
}

// startDevices plugs both cameras in, starts both daemons by systemd and makes
// them peers. All of it ends with the test. The state directories remain.
func startDevices(t *testing.T) {
	t.Helper()
	if err := install(); err != nil {
		t.Fatal(err)
	}
	plugIn(t, alice.camera, bob.camera)
	for _, d := range []device{alice, bob} {
		d.configure(t, "")
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("kernel state of %s:\n%s", d.unit, cleanUp(t, kernelState(d.unit)))
				log := cleanUp(t, "journalctl --no-pager -o short-monotonic -n 60 -u "+d.unit)
				t.Logf("log of %s:\n%s", d.unit, log)
			}
			cleanUp(t, "systemctl stop "+d.unit+" && systemctl reset-failed "+d.unit+" 2>/dev/null || true")
		})
		sh(t, "systemctl start "+d.unit)
	}
	aliceID, bobID := alice.id(t), bob.id(t)
	alice.configure(t, bobID)
	bob.configure(t, aliceID)
	for _, d := range []device{alice, bob} {
		sh(t, "systemctl restart "+d.unit)
	}
}

// startCall is startDevices and a call from alice, which bob's device answers.
func startCall(t *testing.T) {
	t.Helper()
	startDevices(t)
	sh(t, alice.ctl("call bob"))
	for _, d := range []device{alice, bob} {
		if st := d.status(t); len(st.Calls) != 1 || st.Calls[0].State != "active" {
			t.Fatalf("%s at the start of the call: got status %+v, want one active call", d.name, st)
		}
	}
}

// view views the peer on this device and checks count frames. It ignores those
// of the first second.
func (d device) view(t *testing.T, count int) (r frameReport) {
	t.Helper()
	p := d.peer()
	decode(t, sh(t, fmt.Sprintf("%s | framecheck -camera %d -size %s -skip %d -count %d",
		d.ctl("view "+p.name+" --to pipe"), p.camera.id, p.size, p.fps, count)), &r)
	return r
}
