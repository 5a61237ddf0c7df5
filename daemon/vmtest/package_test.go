//go:build vm

package vmtest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A packageTest is a machine without any file of vchat, for the Debian package.
type packageTest struct {
	*vm
	hardware
}

// sh is the sh of this machine. In the script, "not COMMAND" fails if the
// command succeeds: "! COMMAND" ends a script only as its last command.
func (p *packageTest) sh(t *testing.T, script string) string {
	t.Helper()
	out, err := p.shell(t.Context(), `not() { if "$@"; then return 1; fi; }; `+script, "")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (p *packageTest) write(t *testing.T, path, content string) {
	t.Helper()
	if _, err := p.shell(t.Context(), "cat >"+path, content); err != nil {
		t.Fatal(err)
	}
}

func (p *packageTest) eventually(t *testing.T, script string) {
	t.Helper()
	p.sh(t, "for i in $(seq 300); do if ("+script+") >/tmp/eventually 2>&1; then exit 0; fi; sleep 0.2; done; "+
		"cat /tmp/eventually; systemctl status --no-pager vchatd >&2; false")
}

// boot boots the machine, again if it has run.
func (p *packageTest) boot(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bootTimeout)
	defer cancel()
	var err error
	if p.vm, err = boot(ctx, p.hardware); err != nil {
		t.Fatal(err)
	}
}

// reboot reboots the machine as its owner does.
func (p *packageTest) reboot(t *testing.T) {
	t.Helper()
	p.sh(t, "systemctl --no-block reboot")
	select {
	case end := <-p.ended: // qemu exits instead
		p.ended <- end
	case <-time.After(bootTimeout):
		t.Fatal("reboot: the machine does not stop")
	}
	p.close()
	p.boot(t)
}

// startPackageTest boots a machine with its own disk and the packages of this
// version and the next one in /mnt/host/packages.
func startPackageTest(t *testing.T) *packageTest {
	t.Helper()
	p := newPackageTest(t)
	p.boot(t)
	t.Cleanup(func() { p.close() })
	return p
}

// newPackageTest is startPackageTest without the boot.
func newPackageTest(t *testing.T) *packageTest {
	t.Helper()
	packages := filepath.Join(shareDir, "packages")
	release := os.Getenv("VCHAT_RELEASE")
	if release == "" {
		release = t.TempDir()
		runHost(t, "../../packaging/release.sh "+release)
	}
	// The next version: its number, its configuration file.
	runHost(t,
		"set -e; mkdir -p "+packages+"; cp "+release+"/vchat_*_amd64.deb "+packages+"; cp "+release+
			"/vchat_*_amd64.deb "+packages+"/vchat.deb; cd "+t.TempDir()+"; dpkg-deb -R "+packages+
			"/vchat.deb new; sed -i 's/^Version: .*/&+next/' new/DEBIAN/control; "+
			"echo '# next' >>new/etc/vchat.yaml; dpkg-deb -Zgzip -z1 --root-owner-group -b new "+packages+"/next.deb")
	disk := filepath.Join(t.TempDir(), "disk.img")
	runHost(t, "cp --sparse=always "+filepath.Join(imageDir, "disk.img")+" "+disk)
	return &packageTest{hardware: hardware{imageDir: imageDir, shareDir: shareDir, disk: disk,
		console: filepath.Join(shareDir, "package-console.log")}}
}

func runHost(t *testing.T, script string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "bash", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// listFiles lists the files of the machine with owner and mode, and the users.
// It omits logs, backups, and what apt, dpkg and systemd keep about themselves.
const listFiles = `(find / -xdev \( -path /var/log -o -path /var/lib/dpkg -o -path /var/lib/apt ` +
	`-o -path /var/cache/apt ` +
	`-o -path /var/cache/ldconfig -o -path /var/lib/systemd -o -path /var/tmp -o -path /tmp -o -path '/etc/*-' ` +
	`-o -path /etc/.pwd.lock -o -path /etc/machine-id -o -path /home/tester \) -prune ` +
	`-o -printf '%p %y %m %u %g %l\n' | sort; ` +
	`find /run /var/lib/systemd -xdev -name '*vchat*'; ` +
	`cut -d: -f1,3,4 /etc/passwd; cat /etc/group; systemctl list-units --all --no-legend --plain '*vchat*')`

// The second device of the call is not in the package's unit. It runs as the
// user tester, with its own folders.
const (
	aliceConfig = `name: alice
listen: "127.0.0.1:7450"
camera: {device: test, size: 320x240, fps: 5}
discovery: false
peers:
  bob: {address: "127.0.0.1:7460", id: BOB}
`
	bobConfig = `name: bob
listen: "127.0.0.1:7460"
camera: {device: test, size: 320x240, fps: 5}
discovery: false
state_dir: /var/lib/bob
control: {socket: /run/bob/control.sock, group: tester, admin_group: tester}
peers:
  alice: {address: "127.0.0.1:7450", id: ALICE, auto_answer: true}
`
	bobCtl   = "runuser -u tester -- vchatctl --socket /run/bob/control.sock "
	aliceCtl = "runuser -u tester -- vchatctl "
	startBob = "systemd-run -q --unit=bob -p User=tester -p RuntimeDirectory=bob -p StateDirectory=bob " +
		"-p StateDirectoryMode=0700 vchatd --config /root/bob.yaml"
)

// TestPackage does with the Debian package what its owner does over years:
// installs it, reboots, upgrades it during a call, removes and purges it.
func TestPackage(t *testing.T) {
	p := startPackageTest(t)
	p.sh(t, listFiles+" >/tmp/before")
	apt := "DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Options::=--force-confold "
	install := apt + "--allow-downgrades --reinstall install /mnt/host/packages/"

	// A system that is being built: nothing may start.
	p.sh(t,
		`printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; `+
			`chmod 755 /usr/sbin/policy-rc.d; `+install+"vchat.deb; "+
			"not systemctl is-active vchatd; systemctl is-enabled vchatd; "+apt+"purge vchat; rm /usr/sbin/policy-rc.d")

	p.sh(t, install+"vchat.deb; systemctl is-active vchatd vchat-camera.socket; not systemctl is-enabled vchat-view; "+
		"usermod -aG vchat,vchat-admin tester")
	p.sh(t, aliceCtl+"status; "+aliceCtl+"version; "+aliceCtl+"privacy on; "+aliceCtl+"privacy off")
	aliceID := strings.TrimSpace(p.sh(t, aliceCtl+"id"))

	p.reboot(t)
	p.eventually(t, aliceCtl+"status")
	if id := strings.TrimSpace(p.sh(t, aliceCtl+"id")); id != aliceID {
		t.Errorf("id after a reboot: got %s, want %s", id, aliceID)
	}

	p.write(t, "/root/bob.yaml", strings.ReplaceAll(bobConfig, "ALICE", aliceID))
	p.sh(t, "chmod 755 /root; chmod 644 /root/bob.yaml; "+startBob)
	p.eventually(t, bobCtl+"id")
	bobID := strings.TrimSpace(p.sh(t, bobCtl+"id"))
	p.write(t, "/etc/vchat.yaml", strings.ReplaceAll(aliceConfig, "BOB", bobID))
	p.sh(t, "systemctl restart vchatd; "+aliceCtl+"call bob")
	active := `for c in "` + aliceCtl + `" "` + bobCtl +
		`"; do $c status --json | tr -d ' \n' | grep -q '"state":"active"'; done`
	p.eventually(t, active)

	t.Run("upgrade during a call", func(t *testing.T) { p.upgradeInCall(t, install+"next.deb", active) })

	// No reinstallation or downgrade starts what the owner has stopped.
	p.sh(t, aliceCtl+"hangup; systemctl -q disable --now vchatd; "+install+"next.deb; "+install+"vchat.deb; "+
		"not systemctl is-active vchatd; not systemctl is-enabled vchatd; "+
		"systemctl -q enable --now vchatd vchat-view; "+
		aliceCtl+"status")

	p.sh(t, "systemctl stop bob; "+apt+"remove vchat; not pgrep -x vchatd; not pgrep -x vchatctl; "+
		"test -e /etc/vchat.yaml; test -e /var/lib/vchat")
	p.sh(t, install+"vchat.deb; "+aliceCtl+"id | grep -qx "+aliceID)
	p.sh(t,
		apt+"purge vchat; gpasswd -d tester vchat 2>/dev/null || true; rm -rf /root/bob.yaml; "+
			"chmod 700 /root; rm -rf /var/lib/bob")
	if diff := p.sh(t, listFiles+" >/tmp/after; diff /tmp/before /tmp/after || true"); diff != "" {
		t.Errorf("left after purge:\n%s", diff)
	}
}

// upgradeInCall runs the upgrade while a call is active. It must be the same
// call afterwards, on both sides, with another daemon.
func (p *packageTest) upgradeInCall(t *testing.T, upgrade, active string) {
	const state = "systemctl show -P MainPID vchatd; stat -c %Y.%y /etc/vchat.yaml"
	before := p.sh(t, state)
	p.sh(t, "("+bobCtl+
		`events --json --no-wait | while read -r line; do echo "$(date +%s%3N) $line"; done) >/tmp/events 2>&1 & `+
		"sleep 2")
	p.sh(t, upgrade)
	p.eventually(t, active)
	if now := p.sh(t, state); strings.Split(now, "\n")[0] == strings.Split(before, "\n")[0] ||
		strings.Split(now, "\n")[1] != strings.Split(before, "\n")[1] {
		t.Errorf("daemon and time of its configuration: got %s, before %s, want another daemon and the same file", now,
			before)
	}
	p.eventually(t, `grep '"resuming"' /tmp/events && sed '1,/"resuming"/d' /tmp/events | grep '"active"'`)
	gap := strings.Fields(p.sh(t,
		`s=$(grep -m1 '"resuming"' /tmp/events); e=$(sed '1,/"resuming"/d' /tmp/events | grep -m1 '"active"'); `+
			"echo $((${e%% *} - ${s%% *}))"))
	ms, err := strconv.Atoi(strings.Join(gap, ""))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the call resumed after %d ms", ms)
	p.sh(t, "not grep '\"ended\"' /tmp/events")
}
