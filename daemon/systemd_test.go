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

// manager is the receiving end of sd_notify(3).
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

// expect reads until a message with this prefix arrives and returns it.
func (m *manager) expect(prefix string) string {
	m.t.Helper()
	_ = m.conn.SetReadDeadline(time.Now().Add(daemontest.Timeout))
	var others []string
	for b := make([]byte, 4096); ; {
		n, err := m.conn.Read(b)
		if err != nil {
			m.t.Fatalf("got no %s…: %v; received %q", prefix, err, others)
		}
		if s := string(b[:n]); strings.HasPrefix(s, prefix) {
			return s
		}
		others = append(others, string(b[:n]))
	}
}

// A systemd that reads nothing does not hold up the daemon, nor its end.
func TestNotifySystemd_stopped(t *testing.T) {
	m := newManager(t)
	full, err := net.DialUnix("unixgram", nil, m.conn.LocalAddr().(*net.UnixAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for err == nil { // until the queue is full
		_ = full.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		_, err = full.Write([]byte("x"))
	}
	alice := daemontest.New(t, "alice")
	alice.Start()
	alice.Status()
	alice.Stop()
}

func TestNotifySystemd(t *testing.T) {
	m := newManager(t)
	t.Setenv("WATCHDOG_USEC", "50000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	alice := daemontest.New(t, "alice")
	alice.Start()
	m.expect("READY=1")
	if s := m.expect("STATUS="); !strings.Contains(s, "no call") || !strings.Contains(s, "camera idle") {
		t.Errorf("got %q, want no call and an idle camera", s)
	}
	m.expect("WATCHDOG=1")
	m.expect("WATCHDOG=1")
	alice.Reload(func(*config.Config) error { return nil })
	if s := m.expect("RELOADING=1"); !strings.Contains(s, "\nMONOTONIC_USEC=") {
		t.Errorf("got %q, want the time too", s)
	}
	m.expect("READY=1")
	alice.Reload(func(*config.Config) error {
		return config.Errors{{File: "/etc/vchat.yaml", Line: 3, Col: 7, Message: "unknown key"}}
	})
	if s := m.expect("STATUS="); !strings.Contains(s, "configuration refused: /etc/vchat.yaml:3:7: unknown key") {
		t.Errorf("got %q, want the fault of the configuration", s)
	}
	alice.Stop()
	m.expect("STOPPING=1")
}
