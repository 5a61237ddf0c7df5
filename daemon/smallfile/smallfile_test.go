package smallfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"vchat/daemon/smallfile"
)

// unusual creates one of each kind of file that is not a regular one.
func unusual(t *testing.T, dir string) map[string]string {
	t.Helper()
	at := func(name string) string { return filepath.Join(dir, name) }
	kinds := map[string]string{"directory": at("dir"), "FIFO": at("fifo"), "socket": at("socket")}
	if err := errors.Join(os.Mkdir(at("dir"), 0o700), unix.Mkfifo(at("fifo"), 0o600)); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: at("socket"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	kinds["device"] = "/dev/zero"
	return kinds
}

func shortDir(t *testing.T) string { // the path of a socket has at most 107 bytes
	t.Helper()
	dir, err := os.MkdirTemp("", "vchat-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestRead_notRegular(t *testing.T) {
	dir := shortDir(t)
	for kind, path := range unusual(t, dir) {
		link := filepath.Join(dir, "link-to-"+kind)
		if err := os.Symlink(path, link); err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{path, link} {
			for name, read := range map[string]func(string, int) ([]byte, error){
				"Read": smallfile.Read, "ReadState": smallfile.ReadState, "ReadSecret": smallfile.ReadSecret,
			} {
				want := kind
				if p == link && name == "ReadState" {
					want = "symbolic link"
				}
				if _, err := read(p, 100); !errors.Is(err, smallfile.ErrNotRegular) ||
					!strings.HasSuffix(err.Error(), p+" is a "+want) {
					t.Errorf("%s of %s: got %v, want ErrNotRegular and %q", name, p, err, want)
				}
			}
			if f, err := smallfile.Open(p, unix.O_RDWR|unix.O_CREAT); !errors.Is(err, smallfile.ErrNotRegular) {
				t.Errorf("Open of %s: got %v, %v; want ErrNotRegular", p, f, err)
			}
		}
	}
}

func TestRead_limits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for size, want := range map[int]error{
		0: nil, 99: nil, 100: nil, 101: smallfile.ErrTooLarge, 1 << 20: smallfile.ErrTooLarge,
	} {
		content := bytes.Repeat([]byte("x"), size)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := smallfile.Read(path, 100)
		if !errors.Is(err, want) || want == nil && !bytes.Equal(got, content) {
			t.Errorf("%d bytes: got %d bytes, %v; want %v", size, len(got), err, want)
		}
	}
	// A sparse file and one whose size is 0 have no end either.
	if err := os.Truncate(path, 1<<40); err != nil {
		t.Fatal(err)
	}
	if _, err := smallfile.Read(path, 100); !errors.Is(err, smallfile.ErrTooLarge) {
		t.Errorf("sparse file: got %v, want ErrTooLarge", err)
	}
	if b, err := smallfile.Read("/proc/self/status", 64<<10); err != nil || !bytes.HasPrefix(b, []byte("Name:")) {
		t.Errorf("/proc/self/status: got %q, %v; want its content", b, err)
	}
	if _, err := smallfile.Read(path+"-missing", 100); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: got %v, want ErrNotExist", err)
	}
}

func TestRead_access(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, tt := range []struct {
		mode          fs.FileMode
		state, secret error
	}{
		{0o600, nil, nil},
		{0o400, nil, nil},
		{0o644, nil, smallfile.ErrAccess},
		{0o640, nil, smallfile.ErrAccess},
		{0o620, smallfile.ErrAccess, smallfile.ErrAccess},
		{0o602, smallfile.ErrAccess, smallfile.ErrAccess},
	} {
		_ = os.Remove(path)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, tt.mode)); err != nil {
			t.Fatal(err)
		}
		if _, err := smallfile.ReadState(path, 1); !errors.Is(err, tt.state) {
			t.Errorf("ReadState of mode %04o: got %v, want %v", tt.mode, err, tt.state)
		}
		_, err := smallfile.ReadSecret(path, 1)
		if !errors.Is(err, tt.secret) || err != nil && !strings.Contains(err.Error(), "run: chmod 600 "+path) {
			t.Errorf("ReadSecret of mode %04o: got %v, want %v", tt.mode, err, tt.secret)
		}
	}
}

func TestCheckDir(t *testing.T) {
	dir := t.TempDir()
	for mode, want := range map[fs.FileMode]error{
		0o700: nil, 0o755: nil, 0o770: smallfile.ErrAccess, 0o707: smallfile.ErrAccess,
		0o777 | fs.ModeSticky: smallfile.ErrAccess,
	} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		err := smallfile.CheckDir(dir)
		if !errors.Is(err, want) || err != nil && !strings.Contains(err.Error(), "run: chmod 700 "+dir) {
			t.Errorf("mode %v: got %v, want %v", mode, err, want)
		}
	}
	if os.Geteuid() == 0 {
		if err := errors.Join(os.Chmod(dir, 0o700), os.Chown(dir, 1234, 1234)); err != nil {
			t.Fatal(err)
		}
		if err := smallfile.CheckDir(dir); !errors.Is(err, smallfile.ErrOwner) {
			t.Errorf("directory of another user: got %v, want ErrOwner", err)
		}
	}
}

// What is at the path is replaced, and what it points to not touched.
func TestReplace_doesNotFollow(t *testing.T) {
	dir := t.TempDir()
	target, link, fifo := filepath.Join(dir, "target"), filepath.Join(dir, "link"), filepath.Join(dir, "fifo")
	err := errors.Join(os.WriteFile(target, []byte("old"), 0o644), os.Symlink(target, link), unix.Mkfifo(fifo, 0o666))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, fifo} {
		if err := smallfile.Replace(path, []byte("new")); err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(path)
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: got %v, %v; want a regular file with mode 0600", path, info.Mode(), err)
		}
		if b, err := smallfile.ReadState(path, 100); err != nil || string(b) != "new" {
			t.Errorf("%s: got %q, %v; want the new content", path, b, err)
		}
	}
	if b, err := os.ReadFile(target); err != nil || string(b) != "old" {
		t.Errorf("target of the link: got %q, %v; want it untouched", b, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); left != nil {
		t.Errorf("got temporary files %v, want none", left)
	}
}

func TestCreate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := smallfile.Create(path, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := smallfile.Create(path, []byte("second")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second Create: got %v, want ErrExist", err)
	}
	if b, err := smallfile.ReadSecret(path, 100); err != nil || string(b) != "first" {
		t.Errorf("got %q, %v; want the first content", b, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); left != nil {
		t.Errorf("got temporary files %v, want none", left)
	}
}

func TestRecover(t *testing.T) {
	tests := []struct {
		name    string
		err     error
		problem string
		isAside bool
	}{
		{"damaged", fmt.Errorf("%w: no JSON", smallfile.ErrDamaged), "calls lost: damaged file: no JSON", true},
		{"too large", smallfile.ErrTooLarge, "calls lost: file too large", true},
		{"fault of the disk", syscall.EIO, "calls not read: input/output error", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
			want := tt.problem
			if tt.isAside {
				want += "; the file is kept as " + path + ".corrupt"
			}
			problem, fault := smallfile.Recover(path, tt.err, "calls lost", "calls not read")
			if problem != want || (fault == nil) != tt.isAside || fault != nil && !errors.Is(fault, tt.err) {
				t.Errorf("got %q and fault %v, want %q", problem, fault, want)
			}
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) != tt.isAside {
				t.Errorf("the file: got %v, want it set aside: %v", err, tt.isAside)
			}
		})
	}
}

func TestSetAside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.Mkdir(path+".corrupt", 0o700); err != nil { // in the way
		t.Fatal(err)
	}
	for _, content := range []string{"one", "two"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		kept, err := smallfile.SetAside(path)
		if err != nil || kept != path+".corrupt" {
			t.Fatalf("got %q, %v; want %s.corrupt", kept, err, path)
		}
		if b, err := os.ReadFile(kept); err != nil || string(b) != content {
			t.Errorf("got %q, %v; want %q", b, err, content)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("got %v, want one file", entries)
	}
}

func TestRemoveTemporaries(t *testing.T) {
	dir := t.TempDir()
	for name, temporary := range map[string]bool{
		".calls.json8912345678901234567": true, "calls.json": false, ".hidden": false, "1234567890123": false,
		".1234567890123": false,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		smallfile.RemoveTemporaries(dir)
		if _, err := os.Lstat(filepath.Join(dir, name)); errors.Is(err, fs.ErrNotExist) != temporary {
			t.Errorf("%s: got %v, want removed: %v", name, err, temporary)
		}
	}
}
