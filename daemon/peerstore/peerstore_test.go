package peerstore_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"vchat/daemon/identity"
	"vchat/daemon/peerstore"
	"vchat/daemon/smallfile"
)

func id(n int) identity.ID { return identity.ID{byte(n >> 8), byte(n)} }

func file(dir string, id identity.ID) string {
	return filepath.Join(dir, peerstore.Dir, id.String()+".json")
}

func add(t *testing.T, s *peerstore.Store, name string, id identity.ID) peerstore.Peer {
	t.Helper()
	p, err := s.Put(peerstore.Peer{Name: name, ID: id, Address: name + ".local:7450"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestStore_survivesARestart(t *testing.T) {
	dir := t.TempDir()
	s := peerstore.Open(dir)
	bob, alice := add(t, s, "bob", id(1)), add(t, s, "alice", id(2))
	add(t, s, "carol", id(3))
	if _, err := s.Remove("carol"); err != nil {
		t.Fatal(err)
	}
	renamed, err := s.Put(peerstore.Peer{Name: "robert", ID: id(1), AutoAnswer: true, MaxBitrate: 2.5})
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*peerstore.Store{"same": s, "next": peerstore.Open(dir)} {
		if diff := cmp.Diff([]peerstore.Peer{alice, renamed}, s.List()); diff != "" {
			t.Errorf("%s store: peers differ (-want +got):\n%s", name, diff)
		}
		if p := s.Problems(); p != nil {
			t.Errorf("%s store: got problems %q, want none", name, p)
		}
	}
	if _, err := s.Remove("bob"); !errors.Is(err, peerstore.ErrNotFound) {
		t.Errorf("removing the old name: got %v, want ErrNotFound", err)
	}
	if p, err := s.Remove(bob.ID.String()); err != nil || p != renamed {
		t.Errorf("removing by id: got %v, %v; want robert", p, err)
	}
	for path, want := range map[string]os.FileMode{filepath.Join(dir, peerstore.Dir): 0o700, file(dir, id(2)): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: got %v, %v; want %o", path, info, err, want)
		}
	}
}

func TestPut_refused(t *testing.T) {
	s := peerstore.Open(t.TempDir())
	add(t, s, "bob", id(1))
	for _, tt := range []struct {
		name, address string
		want          error
	}{
		{"BOB", "", peerstore.ErrNameTaken},
		{"self", "", peerstore.ErrInvalid},
		{"", "", peerstore.ErrInvalid},
		{"../bob", "", peerstore.ErrInvalid},
		{"a\x1b[2J", "", peerstore.ErrInvalid},
		{strings.Repeat("x", 33), "", peerstore.ErrInvalid},
		{"carol", "carol.local", peerstore.ErrInvalid},
		{"carol", "carol.local:0", peerstore.ErrInvalid},
		{"carol", strings.Repeat("x", 300) + ":7450", peerstore.ErrInvalid},
	} {
		if _, err := s.Put(peerstore.Peer{Name: tt.name, ID: id(2), Address: tt.address}); !errors.Is(err, tt.want) {
			t.Errorf("Put(%q, %q): got %v, want %v", tt.name, tt.address, err, tt.want)
		}
	}
	for _, limit := range []float64{-1, 100_001, math.NaN(), math.Inf(1)} {
		if _, err := s.Put(peerstore.Peer{Name: "carol", ID: id(2), MaxBitrate: limit}); !errors.Is(err,
			peerstore.ErrInvalid) {
			t.Errorf("limit of %v: got %v, want ErrInvalid", limit, err)
		}
	}
	if got := s.List(); len(got) != 1 {
		t.Errorf("got %v, want bob only", got)
	}
}

func TestPut_full(t *testing.T) {
	dir := t.TempDir()
	s := peerstore.Open(dir)
	for i := range peerstore.MaxPeers {
		add(t, s, fmt.Sprintf("peer-%d", i), id(i))
	}
	if _, err := s.Put(peerstore.Peer{Name: "one-more", ID: id(1000)}); !errors.Is(err, peerstore.ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
	add(t, s, "another-name", id(0))
	if err := os.Rename(file(dir, id(1)), file(dir, id(1001))); err != nil { // its content has the old id
		t.Fatal(err)
	}
	if s := peerstore.Open(dir); len(s.List()) != peerstore.MaxPeers-1 || len(s.Problems()) != 1 {
		t.Errorf("got %d peers, problems %q; want all but one", len(s.List()), s.Problems())
	}
}

// A folder that cannot be written keeps nothing of a new peer.
func TestPut_notWritable(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700"); err != nil {
		t.Skipf("cannot mount a file system: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	s := peerstore.Open(dir)
	bob := add(t, s, "bob", id(1))
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(peerstore.Peer{Name: "carol", ID: id(2)}); !errors.Is(err, unix.EROFS) {
		t.Errorf("Put: got %v, want EROFS", err)
	}
	if _, err := s.Put(peerstore.Peer{Name: "robert", ID: id(1), AutoAnswer: true, MaxBitrate: 2.5}); !errors.Is(err,
		unix.EROFS) {
		t.Errorf("Put of a known id: got %v, want EROFS", err)
	}
	if _, err := s.Remove("bob"); !errors.Is(err, unix.EROFS) {
		t.Errorf("Remove: got %v, want EROFS", err)
	}
	for name, s := range map[string]*peerstore.Store{"same": s, "next": peerstore.Open(dir)} {
		if diff := cmp.Diff([]peerstore.Peer{bob}, s.List()); diff != "" {
			t.Errorf("%s store: peers differ (-want +got):\n%s", name, diff)
		}
	}
}

// A damaged file costs its peer, is kept aside, and named.
func TestOpen_damaged(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"empty":        func(p string) error { return os.Truncate(p, 0) },
		"truncated":    func(p string) error { return os.Truncate(p, 20) },
		"endless":      func(p string) error { return os.Truncate(p, 1<<40) },
		"of others":    func(p string) error { return os.Chmod(p, 0o666) },
		"FIFO":         func(p string) error { return errors.Join(os.Remove(p), unix.Mkfifo(p, 0o600)) },
		"folder":       func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o700)) },
		"symlink":      func(p string) error { return errors.Join(os.Rename(p, p+"x"), os.Symlink(p+"x", p)) },
		"dead link":    func(p string) error { return errors.Join(os.Remove(p), os.Symlink("/nowhere", p)) },
		"device":       func(p string) error { return errors.Join(os.Remove(p), os.Symlink("/dev/zero", p)) },
		"garbage":      func(p string) error { return os.WriteFile(p, []byte("\x00\xff\x00"), 0o600) },
		"nesting":      func(p string) error { return os.WriteFile(p, []byte(strings.Repeat("[", 4000)), 0o600) },
		"next version": func(p string) error { return os.WriteFile(p, []byte(`{"version":2}`), 0o600) },
		"bad name": func(p string) error {
			return os.WriteFile(p, fmt.Appendf(nil, `{"version":1,"id":%q,"name":"self"}`, id(1)), 0o600)
		},
		"bad limit": func(p string) error {
			return os.WriteFile(p, fmt.Appendf(nil, `{"version":1,"id":%q,"name":"bob","max_bitrate":-1}`, id(1)),
				0o600)
		},
		"huge limit": func(p string) error {
			return os.WriteFile(p, fmt.Appendf(nil, `{"version":1,"id":%q,"name":"bob","max_bitrate":1e999}`, id(1)),
				0o600)
		},
		"no switch": func(p string) error {
			return os.WriteFile(p, fmt.Appendf(nil, `{"version":1,"id":%q,"name":"bob","auto_answer":"no"}`, id(1)),
				0o600)
		},
		"other name": func(p string) error {
			return os.WriteFile(p, fmt.Appendf(nil, `{"version":1,"id":%q,"name":"ALICE"}`, id(1)), 0o600)
		},
		"other id": func(p string) error {
			return os.WriteFile(p, fmt.Appendf(nil, `{"version":1,"id":%q,"name":"bob"}`, id(3)), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := peerstore.Open(dir)
			alice := add(t, s, "alice", id(0))
			add(t, s, "bob", id(1))
			path := file(dir, id(1))
			if err := damage(path); err != nil {
				t.Fatal(err)
			}
			s = peerstore.Open(dir)
			if diff := cmp.Diff([]peerstore.Peer{alice}, s.List()); diff != "" {
				t.Errorf("peers differ (-want +got):\n%s", diff)
			}
			if p := s.Problems(); len(p) != 1 || !strings.HasSuffix(p[0], "the file is kept as "+path+".corrupt") {
				t.Errorf("got problems %q, want one with the name of the file", p)
			}
			if _, err := os.Lstat(path + ".corrupt"); err != nil {
				t.Error(err)
			}
			add(t, s, "bob", id(1)) // paired again
			if s := peerstore.Open(dir); len(s.List()) != 2 || s.Problems() != nil {
				t.Errorf("after pairing again: got %v, %q; want two peers", s.List(), s.Problems())
			}
		})
	}
}

func TestOpen_folder(t *testing.T) {
	for name, plant := range map[string]func(path string) error{
		"file":    func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"FIFO":    func(p string) error { return unix.Mkfifo(p, 0o600) },
		"symlink": func(p string) error { return os.Symlink(os.TempDir(), p) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, peerstore.Dir)
			if err := plant(path); err != nil {
				t.Fatal(err)
			}
			s := peerstore.Open(dir)
			if p := s.Problems(); len(p) != 1 || !strings.Contains(p[0], path+" is not a folder") {
				t.Errorf("got problems %q, want one about the folder", p)
			}
			add(t, s, "bob", id(1))
			if s := peerstore.Open(dir); len(s.List()) != 1 || s.Problems() != nil {
				t.Errorf("next store: got %v, %q; want bob", s.List(), s.Problems())
			}
		})
	}
}

// Others could have put peers into a folder that they may write.
func TestOpen_folderOfOthers(t *testing.T) {
	dir := t.TempDir()
	s := peerstore.Open(dir)
	add(t, s, "bob", id(1))
	path := filepath.Join(dir, peerstore.Dir)
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	s = peerstore.Open(dir)
	if p := s.Problems(); len(s.List()) != 0 || len(p) != 1 || !strings.Contains(p[0], "run: chmod 700 "+path) {
		t.Errorf("got %v, %q; want no peers and what to do", s.List(), p)
	}
	_, err := s.Put(peerstore.Peer{Name: "carol", ID: id(2)})
	if !errors.Is(err, peerstore.ErrFolder) || !errors.Is(err, smallfile.ErrAccess) {
		t.Errorf("Put: got %v, want ErrFolder", err)
	}
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if s := peerstore.Open(dir); len(s.List()) != 1 {
		t.Errorf("after chmod: got %v, want bob", s.List())
	}
}

// A write that a power cut ended leaves no file behind.
func TestRemoveTemporaries(t *testing.T) {
	dir := t.TempDir()
	add(t, peerstore.Open(dir), "bob", id(1))
	left := filepath.Join(dir, peerstore.Dir, "."+filepath.Base(file(dir, id(1)))+"8912345678901234567")
	if err := os.WriteFile(left, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := peerstore.Open(dir)
	s.RemoveTemporaries()
	if _, err := os.Lstat(left); len(s.List()) != 1 || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, %v; want bob and no temporary file", s.List(), err)
	}
}
