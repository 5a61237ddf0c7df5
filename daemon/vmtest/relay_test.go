//go:build vm

package vmtest

import (
	"os"
	"strings"
	"testing"
)

// relayClients is a script of two clients that the relay joins, over IPv4 and
// IPv6. Each one waits for its line, so that it ends only if both get theirs.
const relayClients = `
	token=$(printf %064d 7)
	exec 3<>/dev/tcp/127.0.0.1/4001 4<>/dev/tcp/::1/4001
	echo "please relay $token for side $(printf %016d 1)" >&3
	echo "please relay $token for side $(printf %016d 2)" >&4
	read -t 10 -u 3 line && [ "$line" = ok ]
	read -t 10 -u 4 line && [ "$line" = ok ]
	echo tea >&3
	read -t 10 -u 4 line && [ "$line" = tea ]
	exec 3>&- 4>&-
`

// TestRelayUnit runs Debian's relay in the example's unit.
func TestRelayUnit(t *testing.T) {
	unit, err := os.ReadFile("../../packaging/examples/vchat-relay.service")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, "/etc/systemd/system/vchat-relay.service", string(unit))
	t.Cleanup(func() {
		cleanUp(t,
			"systemctl disable --now vchat-relay; rm /etc/systemd/system/vchat-relay.service; systemctl daemon-reload")
	})
	if out := sh(t,
		"systemd-analyze verify /etc/systemd/system/vchat-relay.service 2>&1"); strings.TrimSpace(out) != "" {
		t.Errorf("systemd-analyze verify: got %s", out)
	}
	sh(t, "systemctl daemon-reload && systemctl enable --now vchat-relay")
	sh(t, "systemd-analyze security --no-pager --threshold=12 vchat-relay.service")
	eventually(t, waitTimeout, relayClients)

	t.Run("user", func(t *testing.T) {
		// The range of DynamicUser. The guest has no module that names them.
		sh(t, "uid=$(ps -o uid= -p $(systemctl show -P MainPID vchat-relay)); [ $uid -ge 61184 ] && [ $uid -le 65519 ]")
	})
	t.Run("many waiting", func(t *testing.T) {
		out := sh(t, "for i in $(seq 300); do exec {fd}<>/dev/tcp/127.0.0.1/4001 && "+
			`echo "please relay $(printf %064d $i) for side $(printf %016d 1)" >&$fd; done`+
			relayClients+"systemctl show -P MemoryCurrent vchat-relay")
		t.Logf("memory with 300 waiting clients: %s bytes", strings.TrimSpace(out))
	})
	t.Run("killed", func(t *testing.T) {
		sh(t, "kill -9 $(systemctl show -P MainPID vchat-relay)")
		eventually(t, waitTimeout, relayClients)
	})
	t.Run("journal", func(t *testing.T) {
		log := sh(t, "journalctl -u vchat-relay -o cat --no-pager")
		// A client is in no line: the journal does not name who meets.
		for _, bad := range []string{"error", "Traceback", "denied", "not permitted", "127.0.0.1"} {
			if strings.Contains(log, bad) {
				t.Errorf("journal: got %q in\n%s", bad, log)
			}
		}
	})
}
