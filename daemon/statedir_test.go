package daemon_test

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"vchat/config"
	"vchat/daemon"
	"vchat/daemon/api"
	"vchat/daemon/daemontest"
)

// mountState puts the state directory of d on a file system of its own, with
// its present files, and returns a function that remounts it.
func mountState(t *testing.T, d *daemontest.Device) (remount func(flags uintptr)) {
	t.Helper()
	dir := d.Config.StateDir
	files := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700"); err != nil {
		t.Skipf("cannot mount a file system: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return func(flags uintptr) {
		t.Helper()
		if err := unix.Mount("", dir, "", unix.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
}

func hasStateProblem(s api.Status) bool {
	for _, p := range s.Problems {
		if p.Subject == "state" {
			return strings.Contains(p.Message, "read-only file system") && p.Hint != ""
		}
	}
	return false
}

// A device with a key runs from a read-only state directory.
func TestStateDir_readOnly(t *testing.T) {
	alice, bob := two(t)
	remount := mountState(t, alice)
	remount(unix.MS_RDONLY)
	start(bob, alice)
	if s := alice.Status(); !hasStateProblem(s) {
		t.Errorf("got problems %+v, want one of the state directory", s.Problems)
	}
	call(t, alice, bob)
	must(t)(alice.Client.Hangup(ctx(t), ""))
	alice.Wait("end of the call", daemontest.NoCall)
	if n := strings.Count(alice.Log(), "read-only file system"); n != 1 {
		t.Errorf("got %d lines about the file system, want 1:\n%s", n, alice.Log())
	}
	// Two daemons with one key exclude each other there, too.
	if _, err := daemon.NewID(alice.Config); !errors.Is(err, daemon.ErrUnavailable) {
		t.Errorf("new id while the daemon runs: got %v, want ErrUnavailable", err)
	}
}

// Without a key it does not run, and the error is one that no restart corrects.
func TestStateDir_readOnlyWithoutKey(t *testing.T) {
	alice := daemontest.New(t, "alice")
	remount := mountState(t, alice)
	for _, name := range []string{"identity.key", "lock"} {
		_ = os.Remove(filepath.Join(alice.Config.StateDir, name))
	}
	remount(unix.MS_RDONLY)
	_, err := daemon.New(alice.Config, slog.New(slog.NewTextHandler(io.Discard, nil)), nil)
	if !errors.Is(err, daemon.ErrNoKey) || !strings.Contains(err.Error(), "make it writable") {
		t.Errorf("got %v, want ErrNoKey with what to do", err)
	}
}

// A lock file made by root must not lock the daemon's user out.
func TestNewID_owner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can change owners")
	}
	alice := daemontest.New(t, "alice")
	dir := alice.Config.StateDir
	if err := os.Chown(dir, 1234, 1235); err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(filepath.Join(dir, "identity.key"))
	for range 2 { // without an old key, and with one
		if _, err := daemon.NewID(alice.Config); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"identity.key", "lock"} {
			var st unix.Stat_t
			if err := unix.Stat(filepath.Join(dir, name), &st); err != nil || st.Uid != 1234 || st.Gid != 1235 {
				t.Errorf("%s: got owner %d:%d, %v; want 1234:1235", name, st.Uid, st.Gid, err)
			}
		}
	}
}

// This device's own id as a peer is refused, at the start and at a reload.
func TestConfig_ownID(t *testing.T) {
	alice := daemontest.New(t, "alice")
	alice.Start()
	own := func(c *config.Config) error {
		c.Peers["twin"] = config.Peer{Name: "twin", ID: alice.ID.String()}
		return nil
	}
	events := listen(t, alice)
	alice.Reload(own)
	for {
		ev, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		if ev.Event == api.EventConfig {
			if !strings.Contains(ev.Text, "not reloaded: peer twin has this device's own id: was the card cloned?") {
				t.Errorf("got event %q, want the fault", ev.Text)
			}
			break
		}
	}
	cfg := *alice.Config
	cfg.Peers = map[string]config.Peer{}
	_ = own(&cfg)
	_, err := daemon.New(&cfg, slog.New(slog.NewTextHandler(io.Discard, nil)), nil)
	if err == nil || !strings.Contains(err.Error(), "own id: was the card cloned?") {
		t.Errorf("got %v, want an error about the own id", err)
	}
}

// A state directory that others may change is refused, with what to do.
func TestStateDir_ofOthers(t *testing.T) {
	alice := daemontest.New(t, "alice")
	dir := alice.Config.StateDir
	for mode, want := range map[os.FileMode]bool{0o777: true, 0o770: true, 0o1777: true, 0o755: false} {
		if err := unix.Chmod(dir, uint32(mode)); err != nil {
			t.Fatal(err)
		}
		_, err := daemon.New(alice.Config, slog.New(slog.DiscardHandler), nil)
		if errors.Is(err, daemon.ErrState) != want || want && !strings.Contains(err.Error(), "run: chmod 700 "+dir) {
			t.Errorf("mode %04o: got %v, want refused: %v", mode, err, want)
		}
		if _, err := daemon.NewID(alice.Config); errors.Is(err, daemon.ErrState) != want {
			t.Errorf("new id with mode %04o: got %v, want refused: %v", mode, err, want)
		}
	}
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Chown(dir, 1234, 1234); err != nil {
		t.Fatal(err)
	}
	if _, err := daemon.New(alice.Config, slog.New(slog.DiscardHandler), nil); !errors.Is(err, daemon.ErrState) {
		t.Errorf("directory of another user: got %v, want ErrState", err)
	}
}

// Anything else in the place of the lock file is neither opened nor locked.
func TestLock_notAFile(t *testing.T) {
	for name, plant := range map[string]func(path string) error{
		"symlink":     func(p string) error { return os.Symlink(filepath.Join(filepath.Dir(p), "identity.key"), p) },
		"dead link":   func(p string) error { return os.Symlink(p+"-target", p) },
		"FIFO":        func(p string) error { return unix.Mkfifo(p, 0o600) },
		"folder":      func(p string) error { return os.Mkdir(p, 0o700) },
		"device link": func(p string) error { return os.Symlink("/dev/null", p) },
	} {
		t.Run(name, func(t *testing.T) {
			alice := daemontest.New(t, "alice")
			path := filepath.Join(alice.Config.StateDir, "lock")
			if err := plant(path); err != nil {
				t.Fatal(err)
			}
			d, err := daemon.New(alice.Config, slog.New(slog.DiscardHandler), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Run(ctx(t)); !errors.Is(err, daemon.ErrState) || !strings.HasSuffix(err.Error(), "remove it") {
				t.Errorf("got %v, want ErrState and what to do", err)
			}
			if _, err := os.Lstat(path + "-target"); err == nil {
				t.Error("created the target of the link")
			}
		})
	}
}

// Unusable calls are set aside and named; the device saves calls again.
func TestRestoreCalls_unusableFile(t *testing.T) {
	for name, plant := range map[string]func(path string) error{
		"empty":        func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"garbage":      func(p string) error { return os.WriteFile(p, []byte{0, 0xff, 0}, 0o600) },
		"next version": func(p string) error { return os.WriteFile(p, []byte(`[{"version":99}]`), 0o600) },
		"huge": func(p string) error {
			return errors.Join(os.WriteFile(p, []byte("["), 0o600), os.Truncate(p, 1<<40))
		},
		"of others": func(p string) error {
			return errors.Join(os.WriteFile(p, []byte("[]"), 0o600), os.Chmod(p, 0o666))
		},
		"FIFO":    func(p string) error { return unix.Mkfifo(p, 0o600) },
		"folder":  func(p string) error { return os.Mkdir(p, 0o700) },
		"symlink": func(p string) error { return os.Symlink("/dev/zero", p) },
	} {
		t.Run(name, func(t *testing.T) {
			alice := daemontest.New(t, "alice")
			path := filepath.Join(alice.Config.StateDir, "calls.json")
			if err := plant(path); err != nil {
				t.Fatal(err)
			}
			alice.Start()
			p := alice.Status().Problems
			if len(p) != 1 || p[0].Subject != "state" || !strings.HasSuffix(p[0].Message, "kept as "+path+".corrupt") ||
				!strings.Contains(alice.Log(), path+".corrupt") {
				t.Errorf("got problems %+v, want the file named there and in the log", p)
			}
			if _, err := os.Lstat(path + ".corrupt"); err != nil {
				t.Error(err)
			}
			alice.Stop()
			alice.Start()
			if p := alice.Status().Problems; p != nil {
				t.Errorf("after a restart: got problems %+v, want none", p)
			}
		})
	}
}
