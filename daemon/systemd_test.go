package daemon_test

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"vchat/config"
	"vchat/daemon/daemontest"
)

// manager is systemd's end of sd_notify(3).
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func newManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return &manager{t, conn}
}

// hear waits until it is told something that begins so, and gives it.
func (m *manager) hear(prefix string) string {
	m.t.Helper()
	_ = m.conn.SetReadDeadline(time.Now().Add(daemontest.Patience))
	var heard []string
	for b := make([]byte, 4096); ; {
		n, err := m.conn.Read(b)
		if err != nil {
			m.t.Fatalf("%s… was not told: %v; heard %q", prefix, err, heard)
		}
		if s := string(b[:n]); strings.HasPrefix(s, prefix) {
			return s
		}
		heard = append(heard, string(b[:n]))
	}
}

func TestSystemdIsTold(t *testing.T) {
	m := newManager(t)
	t.Setenv("WATCHDOG_USEC", "50000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	alice := daemontest.New(t, "alice")
	alice.Start()
	m.hear("READY=1")
	if s := m.hear("STATUS="); !strings.Contains(s, "no call") || !strings.Contains(s, "camera idle") {
		t.Errorf("told %q", s)
	}
	m.hear("WATCHDOG=1")
	m.hear("WATCHDOG=1")
	alice.Reload(func(*config.Config) error { return nil })
	if s := m.hear("RELOADING=1"); !strings.Contains(s, "\nMONOTONIC_USEC=") {
		t.Errorf("told %q, but systemd wants the time too", s)
	}
	m.hear("READY=1")
	alice.Stop()
	m.hear("STOPPING=1")
}
