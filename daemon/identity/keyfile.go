package identity

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"vchat/daemon/smallfile"
)

// KeyFile is the name of the key file in the state directory. It is PKCS #8 in
// PEM, with mode 0600.
const KeyFile = "identity.key"

// Errors of LoadOrCreate. Their messages say what to do.
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
// by others, ErrKeyFile if it is empty, truncated or has another type of key,
// or an error with the errno of the system call.
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

// Load returns the identity with the key in dir. It returns the errors of
// LoadOrCreate, or fs.ErrNotExist if there is no key.
func Load(dir string) (*Identity, error) {
	key, err := load(filepath.Join(dir, KeyFile))
	if err != nil {
		return nil, fmt.Errorf("load identity: %w", err)
	}
	return fromKey(key)
}

// Renew creates a new key in dir. It keeps the old key file, valid or not, and
// returns its new name, which contains the time now; "" if there was none.
// There is a complete key file at every moment. The caller must make sure that
// no daemon uses the key.
//
// The new file has the owner of the old one, or of dir: otherwise, after a call
// as root, the daemon could not read it.
func Renew(dir string, now time.Time) (renewed *Identity, kept string, err error) {
	path := filepath.Join(dir, KeyFile)
	owner, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(dir, path); err != nil {
			return nil, "", fmt.Errorf("new identity: %w", err)
		}
		if owner, err = os.Stat(dir); err != nil {
			return nil, "", fmt.Errorf("new identity: %w", err)
		}
	} else if err != nil {
		return nil, "", fmt.Errorf("new identity: %w", err)
	} else {
		if kept, err = linkDated(path, now); err != nil {
			return nil, "", fmt.Errorf("keep the old key: %w", err)
		}
		// Now: the new name of the old key must be on disk before the new key.
		if err := smallfile.SyncDir(dir); err != nil {
			return nil, kept, err
		}
		if err := replaceKey(path); err != nil {
			return nil, "", errors.Join(fmt.Errorf("new identity: %w", err), os.Remove(kept))
		}
	}
	if err := chown(path, owner); err != nil {
		return nil, kept, fmt.Errorf("new identity: %w", err)
	}
	if err := smallfile.SyncDir(dir); err != nil {
		return nil, kept, err
	}
	renewed, err = Load(dir)
	return renewed, kept, err
}

// linkDated links a key file to a name with the time, and returns that name.
func linkDated(path string, now time.Time) (kept string, err error) {
	dated := path + "." + now.Format("20060102-150405")
	kept = dated
	for i := 2; ; i++ {
		err := os.Link(path, kept) // fails if the name exists
		if !errors.Is(err, fs.ErrExist) {
			return kept, err
		}
		kept = fmt.Sprintf("%s-%d", dated, i)
	}
}

// replaceKey replaces a key file by one with a new key.
func replaceKey(path string) error {
	text, err := newKey()
	if err != nil {
		return fmt.Errorf("generate key: %w", err)
	}
	return smallfile.Replace(path, text)
}

// chown sets the owner of path to that of owner, if this process is root.
func chown(path string, owner fs.FileInfo) error {
	st, ok := owner.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return os.Lchown(path, int(st.Uid), int(st.Gid))
}

func load(path string) (ed25519.PrivateKey, error) {
	text, err := smallfile.ReadSecret(path, maxKeyLen)
	switch {
	case errors.Is(err, smallfile.ErrAccess):
		text := strings.TrimPrefix(err.Error(), smallfile.ErrAccess.Error()+": ")
		return nil, fmt.Errorf("%w: %s; if others have read it, run vchatd new-id and pair again", ErrKeyMode, text)
	case errors.Is(err, smallfile.ErrTooLarge):
		return nil, keyFileError(path, "too long")
	case errors.Is(err, smallfile.ErrNotRegular):
		return nil, keyFileError(path, err.Error())
	case err != nil:
		return nil, err
	}
	key, fault := parse(text)
	if fault != "" {
		return nil, keyFileError(path, fault)
	}
	return key, nil
}

func keyFileError(path, fault string) error {
	return fmt.Errorf("%w %s: %s; restore a backup, or run vchatd new-id to get a new id, and pair again "+
		"with every peer", ErrKeyFile, path, fault)
}

// parse returns the key, or the fault of the file.
func parse(text []byte) (key ed25519.PrivateKey, fault string) {
	if len(text) == 0 {
		return nil, "empty file"
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

// create creates a key file, completely or not at all. It returns fs.ErrExist
// if another process has created it first. A power failure can leave a
// temporary file.
func create(dir, path string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create state directory: %w", err)
	}
	text, err := newKey()
	if err != nil {
		return fmt.Errorf("generate key: %w", err)
	}
	if err := smallfile.Create(path, text); err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	return syncParents(dir)
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

// syncParents makes the name of a new directory survive a power failure. It
// skips directories that it may not open: this process has not created them.
func syncParents(dir string) error {
	for parent := filepath.Dir(dir); ; parent = filepath.Dir(parent) {
		if err := smallfile.SyncDir(parent); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
		if parent == filepath.Dir(parent) {
			return nil
		}
	}
}
