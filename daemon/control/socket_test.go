package control

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var (
	discardLog = slog.New(slog.DiscardHandler)
	noGroups   = groups{-1, -1, -1, -1}
)

// stale creates a socket at path that nothing listens on, as a killed process
// leaves it.
func stale(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
}

func closeSocket(t *testing.T, s *socket) {
	t.Helper()
	s.listener.Close()
	if err := s.remove(); err != nil {
		t.Error(err)
	}
}

func TestListen(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, path string)
		wantErr string // part of the error; "": success
	}{
		{name: "in an empty directory"},
		{name: "in a missing directory", prepare: func(t *testing.T, path string) {
			if err := os.Remove(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "over a stale socket", prepare: stale},
		{name: "over a file", wantErr: "not a socket", prepare: func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "over a link to a socket", wantErr: "not a socket", prepare: func(t *testing.T, path string) {
			stale(t, path+"2")
			if err := os.Symlink(path+"2", path); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "run", "control.sock")
			if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if tt.prepare != nil {
				tt.prepare(t, path)
			}
			s, err := listen(path, noGroups, discardLog)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Fatalf("got %v, want an error with %q", err, tt.wantErr)
				}
				if _, err := os.Lstat(path); err != nil {
					t.Errorf("the existing file is gone: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode() != fs.ModeSocket|0o660 {
				t.Errorf("got mode %v, want a socket with 0660", info.Mode())
			}
			closeSocket(t, s)
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("after remove: got %v, want ErrNotExist", err)
			}
		})
	}
}

func TestListen_inUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	first, err := listen(path, noGroups, discardLog)
	if err != nil {
		t.Fatal(err)
	}
	defer closeSocket(t, first)
	if _, err := listen(path, noGroups, discardLog); !errors.Is(err, ErrInUse) {
		t.Fatalf("got %v, want ErrInUse", err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("dial the first socket: %v", err)
	}
	conn.Close()
}

func TestListen_concurrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	stale(t, path)
	var wg sync.WaitGroup
	winners := make(chan *socket, 8)
	for range cap(winners) {
		wg.Go(func() {
			s, err := listen(path, noGroups, discardLog)
			if err == nil {
				winners <- s
			} else if !errors.Is(err, ErrInUse) {
				t.Errorf("got %v, want ErrInUse", err)
			}
		})
	}
	wg.Wait()
	close(winners)
	if len(winners) != 1 {
		t.Errorf("got %d successful calls, want 1", len(winners))
	}
	for s := range winners {
		closeSocket(t, s)
	}
}

func TestRemove_otherSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	first, err := listen(path, noGroups, discardLog)
	if err != nil {
		t.Fatal(err)
	}
	first.listener.Close() // now it looks stale
	second, err := listen(path, noGroups, discardLog)
	if err != nil {
		t.Fatal(err)
	}
	defer closeSocket(t, second)
	if err := first.remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("second socket: got %v after the first was removed, want it to exist", err)
	}
}

func TestListen_unknownGroup(t *testing.T) {
	var out bytes.Buffer
	s := New(Config{Socket: filepath.Join(t.TempDir(), "control.sock"), Group: "no-such-group-here"}, nil,
		slog.New(slog.NewTextHandler(&out, nil)))
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	closeSocket(t, s.socket)
	if n := strings.Count(out.String(), "\n"); n != 1 || !strings.Contains(out.String(), "no-such-group-here") {
		t.Errorf("got %d lines, want 1 with the group: %s", n, out.String())
	}
}

func TestListen_longPath(t *testing.T) {
	_, err := listen("/tmp/"+strings.Repeat("x", 120), noGroups, discardLog)
	if err == nil || !strings.Contains(err.Error(), "125 bytes") {
		t.Errorf("got %v, want an error with the length", err)
	}
}

func TestListen_lockedDirectory(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	s, err := listen(filepath.Join(dir, "control.sock"), noGroups, discardLog)
	if err != nil {
		t.Fatal(err)
	}
	s.listener.Close()
	unlock()
	if err := s.remove(); err != nil {
		t.Error(err)
	}
}
