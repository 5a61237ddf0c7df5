package identity

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"
)

// KeyFile is the name of the key file in the state directory. It is PKCS #8 in
// PEM, with mode 0600.
const KeyFile = "identity.key"

// Errors of LoadOrCreate. The message includes what to do.
var (
	ErrKeyFile = errors.New("invalid key file")
	ErrKeyMode = errors.New("key file accessible by others")
)

const (
	pemType   = "PRIVATE KEY"
	maxKeyLen = 4096 // bytes; an Ed25519 key takes 119
)

// LoadOrCreate returns the identity with the key in dir. If there is none, it
// creates a key, and dir with mode 0700. Concurrent callers, in one or several
// processes, get the same key.
//
// It never replaces a key file. It returns ErrKeyMode if the file is accessible
// by others, ErrKeyFile if it is empty, truncated or another type of key, or an
// error with the errno of the system call.
func LoadOrCreate(dir string) (*Identity, error) {
	path := filepath.Join(dir, KeyFile)
	key, err := load(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = create(dir, path); err == nil || errors.Is(err, fs.ErrExist) {
			// Read the file: another process may have created it first.
			key, err = load(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("load identity: %w", err)
	}
	return fromKey(key)
}

func load(path string) (ed25519.PrivateKey, error) {
	// Without O_NONBLOCK, open(2) of a FIFO would block.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, keyFileError(path, "not a regular file")
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%w: %s has mode %04o; unless others have read it, run: chmod 600 %s", ErrKeyMode,
			path, mode, path)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeyLen+1))
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	key, fault := parse(text)
	if fault != "" {
		return nil, keyFileError(path, fault)
	}
	return key, nil
}

func keyFileError(path, fault string) error {
	return fmt.Errorf("%w %s: %s; restore a backup, or remove the file to get a new id and pair again with every peer",
		ErrKeyFile, path, fault)
}

// parse returns the key, or the fault of the file.
func parse(text []byte) (key ed25519.PrivateKey, fault string) {
	switch {
	case len(text) == 0:
		return nil, "empty file"
	case len(text) > maxKeyLen:
		return nil, "too long"
	}
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return nil, "not PEM, or truncated"
	case block.Type != pemType:
		return nil, fmt.Sprintf("PEM type %q, want %q", block.Type, pemType)
	case len(rest) > 0:
		return nil, "data after the key"
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, "not a PKCS #8 key, or damaged"
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Sprintf("key type %T, want Ed25519", parsed)
	}
	return key, ""
}

// create creates a key file, complete or not at all. It returns fs.ErrExist if
// the file exists by then. A power failure can leave a temporary file.
func create(dir, path string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create state directory: %w", err)
	}
	text, err := newKey()
	if err != nil {
		return fmt.Errorf("generate key: %w", err)
	}
	file, err := renameio.NewPendingFile(path, renameio.WithTempDir(dir), renameio.WithStaticPermissions(0o600))
	if err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		// Not a rename: it would replace a key created meanwhile. link(2)
		// fails.
		err = os.Link(file.Name(), path)
	}
	if e := file.Cleanup(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	return syncDir(dir)
}

func newKey() ([]byte, error) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}), nil
}

// syncDir makes the new file name survive a power failure.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync state directory: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync state directory: %w", err)
	}
	return nil
}
