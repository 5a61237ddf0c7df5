//go:build vm

package vmtest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestExposure checks the packaged units by systemd's own measure, in tenths:
// 0 is no exposure, 100 is all.
func TestExposure(t *testing.T) {
	if err := install(); err != nil {
		t.Fatal(err)
	}
	for unit, limit := range map[string]int{"vchatd": 15, "vchat-view": 10, "vchat-camera@x": 17} {
		t.Run(unit, func(t *testing.T) {
			script := fmt.Sprintf("systemd-analyze security --no-pager --threshold=%d %s.service", limit, unit)
			if out, err := machine.shell(t.Context(), script+" 2>&1", ""); err != nil {
				t.Errorf("%v\n%s\nwant an exposure of at most %d.%d", err, out, limit/10, limit%10)
			}
		})
	}
}

// hostileCamera is the command of an exec: camera. It tries to reach what it
// must not, while it sends frames of the camera $2. $1 is the process id of
// vchatd.
const hostileCamera = `#!/bin/bash
try() { local name=$1; shift; if "$@" >/dev/null 2>&1 </dev/null; then echo "REACHED $name" >&2; fi; }
attack() {
daemon=$1 state=/var/lib/vchat socket=/run/vchat/control.sock
try state ls $state
try key cat $state/*key*
try 'write state' touch $state/new $state/calls.json
try 'replace state' mv $state $state.old
try 'control socket' vchatctl --socket $socket status
try 'call' vchatctl --socket $socket call bob
try 'privacy' vchatctl --socket $socket privacy on
try 'remove socket' rm -f $socket
try 'command socket' test -w /run/vchat-camera.sock
try 'kill' kill -CONT $daemon
for f in mem environ maps auxv fd/0; do try $f head -c 1 /proc/$daemon/$f; done
try 'list fd' ls /proc/$daemon/fd
try 'root' ls /proc/$daemon/root/var/lib/vchat
try 'see it' test -e /proc/$daemon/stat
try 'disk' head -c 1 /dev/vda
try 'systemd' systemctl stop vchatd
try 'run as root' systemd-run --wait true
try 'bus' busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 ` +
	`org.freedesktop.systemd1.Manager KillUnit ssi vchatd.service main 15
try 'namespace' unshare -Urm true
try 'journal' journalctl -n 1 -u vchatd -q --no-pager -o cat --grep .
try 'write system' touch /usr/bin/vchatd /etc/vchat.yaml /run/x
try 'input device' head -c 1 /dev/input/event0
echo 'attacks done' >&2
}
attack $1 &
exec v4l2-ctl -d $2 --set-fmt-video=width=1280,height=720,pixelformat=MJPG --stream-mmap=4 --stream-to=- 2>/dev/null
`

// TestExecCamera_hostile runs a command that is an attacker, in the packaged
// units. Its frames flow, and it ends with its last reader, with privacy and
// with vchatd.
func TestExecCamera_hostile(t *testing.T) {
	startDevices(t)
	writeFile(t, "/usr/local/bin/hostile-camera", hostileCamera)
	sh(t, "chmod 755 /usr/local/bin/hostile-camera")
	useExec := func(t *testing.T) {
		t.Helper()
		pid := strings.TrimSpace(sh(t, "systemctl show -P MainPID "+alice.unit))
		sh(t, fmt.Sprintf(`sed -i 's|^  device: .*|  device: "exec:/usr/local/bin/hostile-camera %s %s"|' %s && `+
			"vchatd check-config %[3]s && systemctl reload %s", pid, alice.camera.node(), alice.config, alice.unit))
	}
	const (
		running = "systemctl list-units --plain --no-legend 'vchat-camera@*' | grep -q running"
		ended   = "! (" + running + ") && ! pgrep v4l2-ctl"
	)
	useExec(t)
	cursor := alice.journalCursor(t)
	sh(t, alice.ctl("call bob"))
	r := bob.view(t, 30)
	if err := r.check(); err != nil || r.Exact+r.Reduced != 30 { // a slow host sends reduced ones
		t.Errorf("at bob's side: got %+v, %v, want 30 frames of the camera", r, err)
	}
	alice.awaitLog(t, cursor, "attacks done")
	log := alice.journalSince(t, cursor)
	if strings.Contains(log, "REACHED") {
		t.Errorf("log of the command: got\n%s\nwant nothing reached", log)
	}
	// On a slow host the command may just be starting again.
	eventually(t, waitTimeout, running+" && pgrep v4l2-ctl")
	if user := strings.TrimSpace(sh(t, "ps -o user= -p $(pgrep v4l2-ctl)")); user == "vchat" || user == "root" {
		t.Errorf("user of the command: got %s, want one of its own", user)
	}

	// The command has the user of its runner, but cannot write its memory.
	eventually(t, waitTimeout, "test $(stat -c %U /proc/$(pgrep -f '[v]chatd camera-command')/mem) = root")

	t.Run("privacy", func(t *testing.T) {
		start := time.Now()
		sh(t, alice.ctl("privacy on"))
		sh(t, "! pgrep v4l2-ctl") // privacy on returns when the camera is closed
		t.Logf("closed after %v", time.Since(start))
		sh(t, alice.ctl("privacy off"))
		eventually(t, waitTimeout, running)
	})
	t.Run("hangup", func(t *testing.T) {
		sh(t, alice.ctl("hangup"))
		eventually(t, waitTimeout, ended)
	})
	t.Run("killed daemon", func(t *testing.T) {
		sh(t, alice.ctl("call bob"))
		eventually(t, waitTimeout, running+" && pgrep v4l2-ctl")
		old := strings.TrimSpace(sh(t, "pgrep v4l2-ctl"))
		sh(t, "kill -9 $(systemctl show -P MainPID "+alice.unit+")")
		eventually(t, waitTimeout, "! test -e /proc/"+old)
	})
	// A command that stops its parent cannot keep the camera.
	t.Run("stopped runner", func(t *testing.T) {
		eventually(t, waitTimeout, running+" && pgrep v4l2-ctl")
		old := strings.TrimSpace(sh(t, "pgrep v4l2-ctl"))
		sh(t, "pkill -STOP -f '[v]chatd camera-command'")
		sh(t, alice.ctl("privacy on"))
		eventually(t, waitTimeout, "! test -e /proc/"+old)
		sh(t, alice.ctl("privacy off"))
	})
	t.Run("stop", func(t *testing.T) {
		sh(t, "systemctl stop "+alice.unit)
		eventually(t, waitTimeout, ended)
		if failed := sh(t, "systemctl list-units --failed --plain --no-legend 'vchat-camera*'"); failed != "" {
			t.Errorf("failed units: got %s, want none", failed)
		}
	})
}
