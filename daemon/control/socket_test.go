package control

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var quiet = slog.New(slog.DiscardHandler)

// stale leaves at path what a killed process leaves.
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
		group   string
		wantErr string // "" is success
	}{
		{name: "in an empty directory"},
		{name: "in a missing directory", prepare: func(t *testing.T, path string) {
			if err := os.Remove(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "over a stale socket", prepare: stale},
		{name: "over a file", wantErr: "something else than a socket", prepare: func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "over a link to a socket", wantErr: "something else than a socket", prepare: func(t *testing.T, path string) {
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
			s, err := listen(path, tt.group, quiet)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Fatalf("got %v, want an error with %q", err, tt.wantErr)
				}
				if _, err := os.Lstat(path); err != nil {
					t.Errorf("what was there is gone: %v", err)
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
				t.Errorf("mode %v, want a socket with 0660", info.Mode())
			}
			closeSocket(t, s)
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("after removal: %v", err)
			}
		})
	}
}

func TestALiveSocketIsNeverTaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	first, err := listen(path, "", quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer closeSocket(t, first)
	if _, err := listen(path, "", quiet); !errors.Is(err, ErrInUse) {
		t.Fatalf("got %v, want ErrInUse", err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the first is not reachable any more: %v", err)
	}
	conn.Close()
}

func TestOfManyThatStartAtOnceOneWins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	stale(t, path)
	var wg sync.WaitGroup
	won := make(chan *socket, 8)
	for range cap(won) {
		wg.Go(func() {
			s, err := listen(path, "", quiet)
			if err == nil {
				won <- s
			} else if !errors.Is(err, ErrInUse) {
				t.Errorf("got %v, want ErrInUse", err)
			}
		})
	}
	wg.Wait()
	close(won)
	if len(won) != 1 {
		t.Errorf("%d won", len(won))
	}
	for s := range won {
		closeSocket(t, s)
	}
}

func TestASocketThatIsNotOursStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	first, err := listen(path, "", quiet)
	if err != nil {
		t.Fatal(err)
	}
	first.listener.Close() // now it looks stale to others
	second, err := listen(path, "", quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer closeSocket(t, second)
	if err := first.remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the first removed the second's socket: %v", err)
	}
}

func TestAGroupHasANameOrANumber(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := giveTo(path, strconv.Itoa(os.Getgid())); err != nil { // one's own is the one that everybody may give
		t.Errorf("by number: %v", err)
	}
	if err := giveTo(path, "99999999999"); err == nil {
		t.Error("an impossible number was taken")
	}
}

func TestAGroupThatDoesNotExistIsToldOnce(t *testing.T) {
	var out bytes.Buffer
	s, err := listen(filepath.Join(t.TempDir(), "control.sock"), "no-such-group-here", slog.New(slog.NewTextHandler(&out, nil)))
	if err != nil {
		t.Fatal(err)
	}
	closeSocket(t, s)
	if n := strings.Count(out.String(), "\n"); n != 1 || !strings.Contains(out.String(), "no-such-group-here") {
		t.Errorf("%d lines: %s", n, out.String())
	}
}

func TestALongPathIsRefusedInWords(t *testing.T) {
	_, err := listen("/tmp/"+strings.Repeat("x", 120), "", quiet)
	if err == nil || !strings.Contains(err.Error(), "125 bytes") {
		t.Errorf("got %v", err)
	}
}

func TestADirectoryLockedByAStrangerDelaysOnly(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	s, err := listen(filepath.Join(dir, "control.sock"), "", quiet)
	if err != nil {
		t.Fatal(err)
	}
	s.listener.Close()
	unlock()
	if err := s.remove(); err != nil {
		t.Error(err)
	}
}

// The connection that has been silent longest makes room; one that is being served never does.
func TestWhoMakesRoom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	s, err := listen(path, "", quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer closeSocket(t, s)
	cs := newConns(s.listener, 3, "1")
	next := func() (client net.Conn, server *conn) {
		t.Helper()
		client, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		got, err := cs.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { got.Close() })
		return client, got.(*conn)
	}
	ended := func(c net.Conn) bool {
		c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		_, err := c.Read(make([]byte, 1))
		return errors.Is(err, io.EOF)
	}
	a, sa := next()
	b, sb := next()
	c, _ := next()
	sa.serve()
	sb.serve()
	sb.done() // b has been answered, and waits since a moment later than c
	d, sd := next()
	for _, tt := range []struct {
		name string
		conn net.Conn
		want bool
	}{{"being served", a, false}, {"answered", b, false}, {"silent longest", c, true}, {"new", d, false}} {
		if got := ended(tt.conn); got != tt.want {
			t.Errorf("%s: closed is %v, want %v", tt.name, got, tt.want)
		}
	}
	sb.serve()
	sd.serve()
	client, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	s.listener.SetDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err := cs.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a place was found where none is: %v", err)
	}
	said, err := io.ReadAll(client)
	if err != nil || !strings.Contains(string(said), "as many as it takes") || !strings.Contains(string(said), "Vchat-Version: 1\r\n") {
		t.Errorf("the one too many heard %q, %v", said, err)
	}
}
