package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func write(t *testing.T, path string, text []byte, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // ignore the umask
		t.Fatal(err)
	}
}

func TestLoadOrCreate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	first, err := LoadOrCreate(dir)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got != 0o600 {
		t.Errorf("got mode %v of the key file, want 0600", got)
	}
	if names := list(t, dir); len(names) != 1 {
		t.Errorf("got files %q, want the key file only", names)
	}
	second, err := LoadOrCreate(dir)
	if err != nil {
		t.Fatal(err)
	}
	if first.ID() != second.ID() {
		t.Errorf("second load: got id %v, want %v", second.ID(), first.ID())
	}
	if !bytes.Equal(mustCertificate(t, first).Certificate[0], mustCertificate(t, second).Certificate[0]) {
		t.Error("got another certificate for the same key, want the same")
	}
	other, err := LoadOrCreate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if other.ID() == first.ID() {
		t.Error("got the same id for two devices, want two")
	}
}

func TestLoadOrCreate_concurrent(t *testing.T) {
	dir := t.TempDir()
	var ids [8]ID
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			identity, err := LoadOrCreate(dir)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = identity.ID()
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("got ids %v and %v, want one", ids[0], id)
		}
	}
	if names := list(t, dir); len(names) != 1 {
		t.Errorf("got files %q, want the key file only", names)
	}
}

func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestLoadOrCreate_invalidFile(t *testing.T) {
	good, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	ecdsaKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(ecdsaKey)
	if err != nil {
		t.Fatal(err)
	}
	damaged, _ := pem.Decode(good)
	damaged.Bytes[0] ^= 1

	for _, c := range []struct {
		name string
		text []byte
		mode fs.FileMode
		want error
		msg  string // part of the error
	}{
		{"readable by the group", good, 0o640, ErrKeyMode,
			"has mode 0640; run: chmod 600 "},
		{"readable by all", good, 0o604, ErrKeyMode, "chmod 600 "},
		{"writable by the group", good, 0o620, ErrKeyMode, "chmod 600 "},
		{"empty", nil, 0o600, ErrKeyFile, "empty file; restore a backup"},
		{"truncated", good[:len(good)/2], 0o600, ErrKeyFile, "truncated"},
		{"truncated in the last line", good[:len(good)-5], 0o600, ErrKeyFile, "truncated"},
		{"zeros, as after a power failure", make([]byte, len(good)), 0o600, ErrKeyFile, "not PEM"},
		{"damaged", pem.EncodeToMemory(damaged), 0o600, ErrKeyFile, "damaged"},
		{"ecdsa", pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}), 0o600, ErrKeyFile,
			"key type *ecdsa.PrivateKey, want Ed25519"},
		{"a certificate", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600, ErrKeyFile,
			`PEM type "CERTIFICATE", want "PRIVATE KEY"`},
		{"two keys", append(good[:len(good):len(good)], good...), 0o600, ErrKeyFile, "data after the key"},
		{"very long", bytes.Repeat([]byte("x"), 1<<20), 0o600, ErrKeyFile, "too long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, KeyFile)
			write(t, path, c.text, c.mode)
			_, err := LoadOrCreate(dir)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.msg) ||
				!strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want %v … %s", err, c.want, c.msg)
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, c.text) {
				t.Errorf("key file: got changed content or error %v, want it unchanged", err)
			}
			if names := list(t, dir); len(names) != 1 {
				t.Errorf("got files %q, want the key file only", names)
			}
		})
	}
}

func TestLoadOrCreate_notRegular(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"fifo":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := make(filepath.Join(dir, KeyFile)); err != nil {
				t.Fatal(err)
			}
			if _, err := LoadOrCreate(dir); !errors.Is(err, ErrKeyFile) {
				t.Errorf("got %v, want ErrKeyFile", err)
			}
		})
	}
	t.Run("dangling symlink", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Symlink("nowhere", filepath.Join(dir, KeyFile)); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadOrCreate(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v, want fs.ErrNotExist", err)
		}
	})
}

func TestLoadOrCreate_stateDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, nil, 0o600)
	if _, err := LoadOrCreate(filepath.Join(file, "state")); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("got %v, want ENOTDIR", err)
	}
}

// A power failure in create leaves a temporary file: empty, incomplete or,
// between link and remove, a second name of the key. All are ignored.
func TestLoadOrCreate_leftovers(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "."+KeyFile+".1"), nil, 0o600)
	write(t, filepath.Join(dir, "."+KeyFile+".2"), []byte("-----BEGIN PRIV"), 0o600)
	first, err := LoadOrCreate(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(dir, KeyFile), filepath.Join(dir, "."+KeyFile+".3")); err != nil {
		t.Fatal(err)
	}
	second, err := LoadOrCreate(dir)
	if err != nil {
		t.Fatal(err)
	}
	if first.ID() != second.ID() {
		t.Errorf("second load: got id %v, want %v", second.ID(), first.ID())
	}
}

func TestRenew(t *testing.T) {
	now := time.Date(2026, 11, 28, 15, 30, 0, 0, time.UTC)
	for _, tt := range []struct {
		name string
		old  string // content of the key file; "": none; "key": a valid key
		want []string
	}{
		{"no key", "", []string{"identity.key"}},
		{"key", "key", []string{"identity.key", "identity.key.20261128-153000"}},
		{"damaged key", "x", []string{"identity.key", "identity.key.20261128-153000"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			var old []byte
			switch tt.old {
			case "":
			case "key":
				if _, err := LoadOrCreate(dir); err != nil {
					t.Fatal(err)
				}
				old, _ = os.ReadFile(filepath.Join(dir, KeyFile))
			default:
				old = []byte(tt.old)
				write(t, filepath.Join(dir, KeyFile), old, 0o600)
			}
			renewed, kept, err := Renew(dir, now)
			if err != nil {
				t.Fatal(err)
			}
			if got := list(t, dir); !slices.Equal(got, tt.want) {
				t.Errorf("got files %q, want %q", got, tt.want)
			}
			if loaded, err := Load(dir); err != nil || loaded.ID() != renewed.ID() {
				t.Errorf("Load after Renew: got error %v or another id, want the id of Renew", err)
			}
			if old == nil {
				return
			}
			if got, err := os.ReadFile(kept); err != nil || !bytes.Equal(got, old) {
				t.Errorf("kept file: got %q, %v; want the old key", got, err)
			}
			// A second call in the same second does not replace the kept key.
			again, keptAgain, err := Renew(dir, now)
			if err != nil || keptAgain != kept+"-2" || again.ID() == renewed.ID() {
				t.Errorf("again: got %v, %v; want another key, and the old one in %s-2", keptAgain, err, kept)
			}
			if got, err := os.ReadFile(kept); err != nil || !bytes.Equal(got, old) {
				t.Errorf("kept file after the second time: got %q, %v; want the old key", got, err)
			}
		})
	}
}
