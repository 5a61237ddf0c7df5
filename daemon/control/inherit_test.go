package control

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// inherited returns a socket as systemd opens it, with a mode that is too wide.
func inherited(t *testing.T, path string) *net.UnixListener {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	t.Cleanup(func() { l.Close() })
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	return l
}

// serve runs a server until the end of the returned function, which returns the
// error of Serve.
func serve(t *testing.T, s *Server) (stop func() error) {
	t.Helper()
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	return func() error { cancel(); return <-done }
}

// get returns the status code of a request to a socket.
func get(t *testing.T, path string) int {
	t.Helper()
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	defer tr.CloseIdleConnections()
	res, err := (&http.Client{Transport: tr}).Get("http://vchat/nothing")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

func TestInherit(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "inherited.sock")
	l := inherited(t, path)
	for _, configured := range []string{path, filepath.Join(dir, "other.sock")} {
		s := New(Config{Socket: configured}, nil, discardLog)
		s.Inherit(l)
		stop := serve(t, s)
		for _, p := range []string{path, configured} {
			if got := get(t, p); got != http.StatusNotFound {
				t.Errorf("%s: got status %d, want an answer of this server", p, got)
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		info, err := os.Lstat(path)
		if err != nil || info.Mode().Perm() != socketMode {
			t.Errorf("inherited socket: got %v, %v, want it to stay, with the mode of the configuration", info, err)
		}
		if _, err := os.Lstat(configured); configured != path && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("own socket: got %v after the end, want ErrNotExist", err)
		}
	}
	// Between two servers a client waits.
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s := New(Config{Socket: path}, nil, discardLog)
	s.Inherit(l)
	stop := serve(t, s)
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := conn.Write([]byte("GET /nothing HTTP/1.1\r\nHost: vchat\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 16)); n == 0 || err != nil {
		t.Errorf("got %d bytes, %v, want an answer", n, err)
	}
}

// TestSetRights_foreignGroup gives the socket a group that this process may not
// give to a file, as in the packaged unit.
func TestSetRights_foreignGroup(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may change any group")
	}
	path := filepath.Join(t.TempDir(), "control.sock")
	inherited(t, path)
	if err := setRights(path, groups{watch: -1, call: 1 << 20, admin: -1}, discardLog); err != nil {
		t.Fatal(err)
	}
	acl := make([]byte, 256)
	n, err := unix.Lgetxattr(path, aclAttr, acl)
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENODATA) {
		t.Skip("no access control lists here")
	}
	if err != nil || n != 4+5*8 {
		t.Fatalf("got %d bytes of access control list, %v, want 5 entries", n, err)
	}
	if acl[4+8+2] != 0 || acl[4+16+2] != aclRW {
		t.Errorf("got %x, want nothing for the owning group, and the other group", acl[:n])
	}
	// Without other groups the list is gone.
	if err := setRights(path, noGroups, discardLog); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Lgetxattr(path, aclAttr, acl); !errors.Is(err, unix.ENODATA) {
		t.Errorf("got %v, want no access control list", err)
	}
}
