//go:build vm

package vmtest

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Opens and closes of cameras are counted in the kernel, by probes on the functions of its videodev that every open and
// every last close of a video node goes through. What is mapped counts as open.

// countOpens begins to count, until the test ends. The cameras' driver must be there.
func countOpens(t *testing.T) {
	t.Helper()
	sh(t, `mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing
		cd /sys/kernel/tracing
		echo mono >trace_clock; echo 1 >options/record-tgid
		echo 'p:opened v4l2_open' >kprobe_events; echo 'p:closed v4l2_release' >>kprobe_events
		echo 1 >events/kprobes/enable`)
	t.Cleanup(func() {
		cleanUp(t, "cd /sys/kernel/tracing; echo 0 >events/kprobes/enable; echo >kprobe_events; echo >trace")
	})
}

// A cameraUse is what a process did with cameras.
type cameraUse struct {
	opened, closed int
	lastClose      time.Duration // CLOCK_MONOTONIC
}

func (u cameraUse) held() int { return u.opened - u.closed }

// traceLine is for "vchatd-372 ( 366) [001] ..... 572.427833: closed: (v4l2_release+0x0/0xd0 [videodev])".
var traceLine = regexp.MustCompile(`\( *(\d+)\) \[\d+\] \S+ +([\d.]+): (opened|closed): `)

// cameraUse is what the device's present daemon did since countOpens.
func (d device) cameraUse(t *testing.T) (u cameraUse) {
	t.Helper()
	out := sh(t, "systemctl show -P MainPID "+d.unit+"; cat /sys/kernel/tracing/trace")
	pid, trace, _ := strings.Cut(out, "\n")
	for _, m := range traceLine.FindAllStringSubmatch(trace, -1) {
		if m[1] != pid {
			continue
		}
		at, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			t.Fatalf("%v: %q", err, m[0])
		}
		if m[3] == "opened" {
			u.opened++
		} else {
			u.closed++
			u.lastClose = time.Duration(at * float64(time.Second))
		}
	}
	return u
}

// closeTime is within which the camera is closed after its last reader has left: 1 s, and half of one for the emulation.
const closeTime = 1500 * time.Millisecond

// closedSince waits until the daemon has no camera open and returns how long after the guest's uptime in seconds that was.
func (d device) closedSince(t *testing.T, uptime string) time.Duration {
	t.Helper()
	left, err := strconv.ParseFloat(strings.TrimSpace(uptime), 64)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(comesBack); ; time.Sleep(100 * time.Millisecond) {
		if u := d.cameraUse(t); u.held() == 0 {
			return u.lastClose - time.Duration(left*float64(time.Second))
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s has its camera open still", d.name)
		}
	}
}

// now prints the guest's CLOCK_MONOTONIC, to 10 ms.
const now = "cut -d' ' -f1 /proc/uptime"

func TestCameraIsOpenOnlyWhileWatched(t *testing.T) {
	startDevices(t)
	countOpens(t)
	unwatched := func(when string) {
		t.Helper()
		before := [...]cameraUse{alice.cameraUse(t), bob.cameraUse(t)}
		time.Sleep(4 * time.Second)
		if after := [...]cameraUse{alice.cameraUse(t), bob.cameraUse(t)}; after != before || before[0].held()+before[1].held() > 0 {
			t.Errorf("%s: opens before %+v, after %+v, want no change and none open", when, before, after)
		}
	}
	unwatched("at first")

	left := sh(t, alice.ctl("view self --to pipe")+" | head -c 300000 >/dev/null; "+now)
	if u := alice.cameraUse(t); u.opened == 0 {
		t.Error("a viewer saw frames, and the kernel of no open camera: the count is blind")
	}
	if took := alice.closedSince(t, left); took > closeTime {
		t.Errorf("closed %v after the viewer had left, want %v at most", took, closeTime)
	} else {
		t.Logf("closed %v after the viewer had left", took)
	}
	if u := bob.cameraUse(t); u.opened > 0 {
		t.Errorf("bob's camera was opened %d times while alice looked at hers", u.opened)
	}
	unwatched("after a viewer")

	sh(t, alice.ctl("call bob"))
	for _, d := range []device{alice, bob} {
		if u := d.cameraUse(t); u.held() != 1 {
			t.Errorf("%s in a call: %+v, want 1 held open", d.name, u)
		}
	}
	left = sh(t, alice.ctl("hangup")+"; "+now)
	for _, d := range []device{alice, bob} {
		if took := d.closedSince(t, left); took > closeTime {
			t.Errorf("%s closed its camera %v after the call, want %v at most", d.name, took, closeTime)
		} else {
			t.Logf("%s: closed %v after the call", d.name, took)
		}
	}
	unwatched("after a call")
}

// TestIdleDaemonSleeps counts how often the kernel lets any thread of a daemon run that has neither peers nor viewers.
func TestIdleDaemonSleeps(t *testing.T) {
	startDevices(t)
	sh(t, "systemctl stop "+bob.unit) // or he would call in vain, being unknown now
	alice.configure(t, "")
	// Systemd's watchdog wants to hear of it some times a minute: that is all that is left.
	const dropIn = "/run/systemd/system/vchatd.service.d/no-watchdog.conf"
	sh(t, "mkdir -p $(dirname "+dropIn+") && printf '[Service]\\nWatchdogSec=0\\n' >"+dropIn+" && systemctl daemon-reload")
	t.Cleanup(func() { cleanUp(t, "rm "+dropIn+" && systemctl daemon-reload") })
	sh(t, "systemctl restart "+alice.unit+"; sleep 10")
	before := alice.footprint(t)
	sh(t, "sleep 20")
	if woken := alice.footprint(t).Switches - before.Switches; woken > 0 {
		t.Errorf("woken %d times in 20 s", woken)
	}
}
