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

// A device is one vchatd in the guest, in a network namespace of its name.
type device struct {
	name, unit, config, socket, stateDir string
	address                              string
	camera                               simCamera
	size                                 string
	fps                                  int
}

// The frame that alice sends is what the tests are about; bob's is small, so that the emulation has time for hers.
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

// install puts vchat into the guest, once for all tests.
var install = sync.OnceValue(func() error {
	if err := buildInto(share, "vchat/cmd/vchatd", "vchat/cmd/vchatctl"); err != nil {
		return err
	}
	packaging := filepath.Join("..", "..", "packaging")
	if err := os.CopyFS(filepath.Join(share, "packaging"), os.DirFS(packaging)); err != nil {
		return err
	}
	_, err := machine.shell(context.Background(), "bash /mnt/host/guest/product.sh", "")
	return err
})

// configure writes the device's configuration; peerID "" leaves its peer out.
func (d device) configure(t *testing.T, peerID string) {
	t.Helper()
	text := fmt.Sprintf("name: %s\ncamera:\n  device: %s\n  size: %s\n  fps: %d\ndiscovery: false\nstate_dir: %s\ncontrol:\n  socket: %s\n",
		d.name, d.camera.node(), d.size, d.fps, d.stateDir, d.socket)
	if peerID != "" {
		text += fmt.Sprintf("peers:\n  %s:\n    address: %s\n    id: %s\n    auto_answer: true\n", d.peer().name, d.peer().address, peerID)
	}
	put(t, d.config, text)
	sh(t, "vchatd check-config "+d.config)
}

// ctl is a vchatctl command of this device, as the ordinary user in group vchat.
func (d device) ctl(args string) string {
	return fmt.Sprintf("runuser -u tester -- vchatctl --socket %s %s", d.socket, args)
}

func (d device) id(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(sh(t, d.ctl("id")))
}

// deviceStatus is of `vchatctl status --json` what the tests look at.
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
	Calls   []struct {
		Peer, State string
		PeerCamera  struct{ State, Reason string } `json:"peer_camera"`
	}
}

func (d device) status(t *testing.T) (st deviceStatus) {
	t.Helper()
	decode(t, sh(t, d.ctl("status --json")+" | tr -d '\\n'"), &st)
	return st
}

// has waits for a status that has what is wanted.
func (d device) has(t *testing.T, what string, ok func(deviceStatus) bool) deviceStatus {
	t.Helper()
	for deadline := time.Now().Add(comesBack); ; time.Sleep(200 * time.Millisecond) {
		st := d.status(t)
		if ok(st) {
			return st
		}
		if time.Now().After(deadline) {
			// Should it hang, this tells where.
			t.Fatalf("%s: no %s within %v: %+v\n%s", d.name, what, comesBack, st, strings.Join(d.goroutines(t), ""))
		}
	}
}

// setCamera puts another key into the configuration of the camera, which the daemon then reads again.
func (d device) setCamera(t *testing.T, line string) {
	t.Helper()
	sh(t, fmt.Sprintf("sed -i 's|^camera:|&\\n  %s|' %s && vchatd check-config %[2]s && systemctl reload %s", line, d.config, d.unit))
}

// kernelSide prints what a daemon's threads wait for in the kernel, which cameras there are, and the kernel's last words.
func kernelSide(unit string) string {
	return `p=$(systemctl show -P MainPID ` + unit + `); test $p = 0 || for t in /proc/$p/task/*; do
			echo $(cat $t/wchan) $(grep State $t/status); ! grep -q 'State:.*D' $t/status || cat $t/stack; done
		ls /dev/video* /dev/v4l/by-id || true; cat /sys/devices/platform/vhci_hcd.0/status; dmesg | tail -n 15`
}

// startDevices plugs both cameras in and starts both daemons by systemd, knowing each other by their ids. All of it ends
// with the test; the state directories stay, as on a real machine.
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
				t.Logf("%s is at:\n%s", d.unit, cleanUp(t, kernelSide(d.unit)))
				t.Logf("%s:\n%s", d.unit, cleanUp(t, "journalctl --no-pager -o short-monotonic -n 60 -u "+d.unit))
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

// startCall is startDevices and a call from alice, which bob answers by himself.
func startCall(t *testing.T) {
	t.Helper()
	startDevices(t)
	sh(t, alice.ctl("call bob"))
	for _, d := range []device{alice, bob} {
		if st := d.status(t); len(st.Calls) != 1 || st.Calls[0].State != "active" {
			t.Fatalf("%s after the call began: %+v, want one active call", d.name, st)
		}
	}
}

// view looks at the peer's frame on this device and checks every one, count of them after one second to warm up.
func (d device) view(t *testing.T, count int) (r frameReport) {
	t.Helper()
	p := d.peer()
	decode(t, sh(t, fmt.Sprintf("%s | framecheck -camera %d -size %s -skip %d -count %d",
		d.ctl("view "+p.name+" --to pipe"), p.camera.id, p.size, p.fps, count)), &r)
	return r
}

// comesBack is how long a frame may take to return, in slow emulation; it is no measure of the product.
const comesBack = 60 * time.Second
