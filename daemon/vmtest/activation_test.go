//go:build vm

package vmtest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestActivation checks what an operator sees of the control socket that
// systemd owns.
func TestActivation(t *testing.T) {
	startDevices(t)
	status := alice.ctl("status")
	active := func(unit, want string) string {
		return fmt.Sprintf(`test "$(systemctl is-active %s)" = %s`, unit, want)
	}
	startedAt := func() string { return sh(t, "systemctl show -P ExecMainStartTimestampMonotonic vchatd") }

	t.Run("vchatctl starts a stopped vchatd", func(t *testing.T) {
		out := sh(t, "systemctl stop vchatd 2>&1")
		if !strings.Contains(out, "vchatd.socket") {
			t.Errorf("systemctl stop: got %q, want that vchatd.socket starts it again", out)
		}
		sh(t, active("vchatd", "inactive")+"; "+status+"; "+active("vchatd", "active"))
	})
	t.Run("a stop of both is one", func(t *testing.T) {
		sh(t, "systemctl stop vchatd.socket vchatd")
		out := sh(t, status+" 2>&1 && exit 1; echo code $?")
		if !containsAll(out, "code 3", "vchatd is not running", "systemctl start vchatd") {
			t.Errorf("got %s\nwant exit code 3 and a hint", out)
		}
		sh(t, active("vchatd", "inactive")+"; systemctl start vchatd; "+active("vchatd.socket", "active")+"; "+status)
	})
	t.Run("groups", func(t *testing.T) {
		out := sh(t, "stat -c '%A %U %G' /run/vchat/control.sock; "+
			"runuser -u nobody -- vchatctl status 2>&1 && exit 1; echo code $?")
		if !containsAll(out, "srw-rw----", "vchat vchat", "code 4") {
			t.Errorf("got %s\nwant a socket for the group vchat alone", out)
		}
	})
	// Clients must not fail while vchatd restarts, as during an upgrade.
	t.Run("restart", func(t *testing.T) {
		out := sh(t, `(for i in 1 2 3 4 5; do systemctl restart vchatd; sleep 0.3; done; touch /run/restarted) &
			n=0; failed=0
			while ! test -e /run/restarted; do
				n=$((n + 1))
				`+status+` >/dev/null 2>>/run/failures || failed=$((failed + 1))
			done
			wait; rm /run/restarted; echo $n $failed; cat /run/failures; rm -f /run/failures`)
		var n, failed int
		if _, err := fmt.Sscan(out, &n, &failed); err != nil || n < 5 || failed > 0 {
			t.Errorf("got %s, %v, want no failed vchatctl", out, err)
		}
		t.Logf("%d times vchatctl status during 5 restarts", n)
	})
	t.Run("reload", func(t *testing.T) {
		before := startedAt()
		sh(t, "systemctl reload vchatd")
		if startedAt() != before {
			t.Error("systemctl reload: got another process")
		}
	})
	// Without a good copy of the configuration, vchatd cannot start. It must
	// not loop, and vchatctl must say why.
	t.Run("configuration error", func(t *testing.T) {
		sh(t, "systemctl stop vchatd && cp "+alice.config+" /run/good.yaml && rm -f "+alice.stateDir+"/*good* && "+
			"echo 'nmae: x' > "+alice.config)
		t.Cleanup(func() {
			cleanUp(t, "cp --remove-destination /run/good.yaml "+alice.config+"; systemctl restart vchatd")
		})
		cursor := alice.journalCursor(t)
		for range 2 {
			out := sh(t, status+" 2>&1 && exit 1; echo code $?")
			if !containsAll(out, "code 3", "vchatd cannot start: "+alice.config+":1:1", "systemctl status vchatd") {
				t.Errorf("vchatctl: got %s\nwant the fault", out)
			}
		}
		time.Sleep(2 * time.Second) // a loop would restart it in that time
		sh(t, active("vchatd", "failed")+"; "+active("vchatd.socket", "active"))
		starts := linesWith(alice.journalSince(t, cursor), "starting vchatd")
		if len(starts) != 2 {
			t.Errorf("got %d starts, want one for each vchatctl: %q", len(starts), starts)
		}
		out := sh(t, "systemctl status --no-pager vchatd || true")
		if !containsAll(out, "status=78/CONFIG", alice.config+":1:1") {
			t.Errorf("systemctl status: got %s\nwant the code and the fault", out)
		}
		sh(t, "cp --remove-destination /run/good.yaml "+alice.config+"; "+status) // and now it starts
	})
	// A vchatd that cannot even say why: systemd must give up.
	t.Run("broken program", func(t *testing.T) {
		sh(t, "systemctl stop vchatd")
		writeFile(t, "/etc/systemd/system/vchatd.service.d/x.conf",
			"[Service]\nExecStart=\nExecStart=/bin/false\nRestart=no\n")
		sh(t, "systemctl daemon-reload")
		t.Cleanup(func() {
			cleanUp(t,
				"rm /etc/systemd/system/vchatd.service.d/x.conf; systemctl daemon-reload; systemctl restart vchatd")
		})
		out := sh(t, "timeout 60 "+status+" 2>&1 && exit 1; echo code $?")
		// An emulated processor may need longer for the 20 starts than vchatctl
		// waits for an answer.
		if !containsAll(out, "code 3", "closed the connection", "journalctl -u vchatd") &&
			!containsAll(out, "code 3", "does not answer", "journalctl -u vchatd") {
			t.Errorf("got %s\nwant exit code 3 and a hint", out)
		}
		eventually(t, waitTimeout, active("vchatd.socket", "failed"))
	})
}

// TestUnavailable takes the port. The first start fails; then vchatd waits for
// the port, without filling the journal.
func TestUnavailable(t *testing.T) {
	startDevices(t)
	sh(t, "systemctl stop vchatd; systemd-run -q --unit port-taker ip netns exec alice "+
		"systemd-socket-activate -l 7450 sleep inf")
	t.Cleanup(func() { cleanUp(t, "systemctl stop port-taker || true") })
	eventually(t, waitTimeout, "ip netns exec alice ss -ltn | grep -q ':7450 '")
	cursor := alice.journalCursor(t)
	sh(t, "! systemctl start vchatd")
	out := sh(t, alice.ctl("status")+" 2>&1 && exit 1; echo code $?")
	if !containsAll(out, "code 3", "vchatd cannot start", "address already in use", "systemctl status vchatd") {
		t.Errorf("vchatctl: got %s\nwant why it cannot start", out)
	}
	time.Sleep(10 * time.Second)
	log := alice.journalSince(t, cursor)
	if n := strings.Count(log, "\n"); n > 15 {
		t.Errorf("got %d lines in 10 s, want a few:\n%s", n, log)
	}
	out = sh(t, "systemctl status --no-pager vchatd || true")
	if !containsAll(out, "activating", "address already in use; next try in") {
		t.Errorf("systemctl status: got %s\nwant why it waits", out)
	}
	sh(t, "! systemctl restart vchatd") // a person gets the error at once
	sh(t, "systemctl stop port-taker")
	eventually(t, waitTimeout, alice.ctl("status"))
}

// TestJournalFields finds lines by the command of the documentation.
func TestJournalFields(t *testing.T) {
	startDevices(t)
	sh(t, alice.ctl("call bob"))
	sh(t, alice.ctl("hangup"))
	command := "journalctl -u vchatd --no-pager PEER=bob"
	id := strings.TrimSpace(sh(t, command+" -o json --output-fields=CALL_ID,PRIORITY,SYSLOG_IDENTIFIER -n 1 | "+
		`sed 's/.*"CALL_ID":"\([0-9a-f]*\)".*/\1/'`))
	if len(id) != 32 {
		t.Errorf("got call %q, want 32 digits", id)
	}
	for _, tt := range []struct{ name, command, want string }{
		{"peer", command, "call peer=bob state=ended"},
		{"call here", "journalctl --no-pager -u vchatd CALL_ID=" + id, "state=active"},
		{"call there", "journalctl --no-pager -u vchatd-bob CALL_ID=" + id, "call peer=alice state=ended"},
		{"program", command + " -t vchatd", "state=ended"},
		{"other peer", "journalctl --no-pager -u vchatd PEER=carol", "No entries"},
	} {
		if out := sh(t, tt.command); !strings.Contains(out, tt.want) {
			t.Errorf("%s: %s: got %s\nwant %q", tt.name, tt.command, out, tt.want)
		}
	}
	alice.camera.send(t, "unplug")
	defer alice.camera.send(t, "plug")
	sh(t, alice.ctl("call bob"))
	defer sh(t, alice.ctl("hangup"))
	eventually(t, waitTimeout, "journalctl --no-pager -u vchatd CAMERA="+alice.camera.node()+" | grep 'camera lost'")
}
