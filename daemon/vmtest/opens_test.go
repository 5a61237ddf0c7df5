//go:build vm

package vmtest

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Opens and closes of cameras are counted in the kernel. Each open and each
// last close of a video node calls v4l2_open or v4l2_release, which get a
// probe. A mapped node counts as open.

// traceOpens counts opens until the end of the test. The driver of the cameras
// must be loaded.
func traceOpens(t *testing.T) {
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

// A cameraUse counts a process's opens and closes of cameras.
type cameraUse struct {
	opened, closed int
	lastClose      time.Duration // CLOCK_MONOTONIC
}

// open returns the number of cameras that are open.
func (u cameraUse) open() int { return u.opened - u.closed }

// traceLine matches, for example,
// "vchatd-372 ( 366) [001] ..... 572.427833: closed: (v4l2_release+0x0/0xd0)".
var traceLine = regexp.MustCompile(`\( *(\d+)\) \[\d+\] \S+ +([\d.]+): (opened|closed): `)

// cameraUse returns the use by the current process of the daemon since
// traceOpens.
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
			t.Fatalf("decode time of %q: %v", m[0], err)
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

// maxCloseDelay limits the time from the end of the last reader to the close of
// the camera: 1 s, and 0.5 s more for emulation.
const maxCloseDelay = 1500 * time.Millisecond

// closeDelay waits until the daemon has no camera open. It returns the time
// from uptime, which is the output of printUptime, to the last close.
func (d device) closeDelay(t *testing.T, uptime string) time.Duration {
	t.Helper()
	seconds, err := strconv.ParseFloat(strings.TrimSpace(uptime), 64)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(waitTimeout); ; time.Sleep(100 * time.Millisecond) {
		u := d.cameraUse(t)
		if u.open() == 0 {
			return u.lastClose - time.Duration(seconds*float64(time.Second))
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s after %v: got %d open cameras, want none", d.name, waitTimeout, u.open())
		}
	}
}

// printUptime prints the guest's CLOCK_MONOTONIC in seconds, exact to 10 ms.
const printUptime = "cut -d' ' -f1 /proc/uptime"

func TestCamera_openOnlyWithReaders(t *testing.T) {
	startDevices(t)
	traceOpens(t)
	checkClosed := func(when string) {
		t.Helper()
		before := [...]cameraUse{alice.cameraUse(t), bob.cameraUse(t)}
		time.Sleep(4 * time.Second)
		after := [...]cameraUse{alice.cameraUse(t), bob.cameraUse(t)}
		if after != before || before[0].open()+before[1].open() > 0 {
			t.Errorf("%s: got use %+v, then %+v, want no change and no open camera", when, before, after)
		}
	}
	checkClosed("without readers")

	left := sh(t, alice.ctl("view self --to pipe")+" | head -c 300000 >/dev/null; "+printUptime)
	if u := alice.cameraUse(t); u.opened == 0 {
		t.Error("after a viewer got frames: got no open in the trace, want one")
	}
	if delay := alice.closeDelay(t, left); delay > maxCloseDelay {
		t.Errorf("after the end of a viewer: got the close after %v, want at most %v", delay, maxCloseDelay)
	} else {
		t.Logf("closed %v after the end of a viewer", delay)
	}
	if u := bob.cameraUse(t); u.opened > 0 {
		t.Errorf("bob, while alice viewed her camera: got %d opens, want none", u.opened)
	}
	checkClosed("after a viewer")

	sh(t, alice.ctl("call bob"))
	for _, d := range []device{alice, bob} {
		if u := d.cameraUse(t); u.open() != 1 {
			t.Errorf("%s in a call: got use %+v, want 1 open camera", d.name, u)
		}
	}
	left = sh(t, alice.ctl("hangup")+"; "+printUptime)
	for _, d := range []device{alice, bob} {
		if delay := d.closeDelay(t, left); delay > maxCloseDelay {
			t.Errorf("%s after a call: got the close after %v, want at most %v", d.name, delay, maxCloseDelay)
		} else {
			t.Logf("%s: closed %v after the call", d.name, delay)
		}
	}
	checkClosed("after a call")
}

// TestDaemon_idle counts the wakeups of a daemon without peers and viewers.
func TestDaemon_idle(t *testing.T) {
	startDevices(t)
	sh(t, "systemctl stop "+bob.unit) // otherwise it would try to connect
	alice.configure(t, "")
	// The only wakeups of an idle daemon are those for systemd's watchdog.
	const dropIn = "/run/systemd/system/vchatd.service.d/no-watchdog.conf"
	sh(t, "mkdir -p $(dirname "+dropIn+") && printf '[Service]\\nWatchdogSec=0\\n' >"+dropIn+
		" && systemctl daemon-reload")
	t.Cleanup(func() { cleanUp(t, "rm "+dropIn+" && systemctl daemon-reload") })
	// Its start takes much of an emulated processor. After that package tune
	// looks once a second, for 10 s and for 3 s more, whether it is still busy.
	sh(t, "systemctl restart "+alice.unit+"; sleep 20")
	before := alice.footprint(t)
	sh(t, "sleep 20")
	if woken := alice.footprint(t).Switches - before.Switches; woken > 0 {
		t.Errorf("got %d wakeups in 20 s, want none", woken)
	}
}
