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
)

// KeyFile is the key's name in the state directory: PKCS #8 in PEM, mode 0600.
const KeyFile = "identity.key"

// What can be wrong with a key file. The message says what to do.
var (
	ErrKeyFile = errors.New("the device's key cannot be used")
	ErrKeyMode = errors.New("the device's key is readable by others")
)

const (
	pemType   = "PRIVATE KEY"
	maxKeyLen = 4096 // an ed25519 key takes 119 bytes
)

// LoadOrCreate reads the key in dir, or makes one where there is none (and dir itself, mode 0700, where that is not
// there). Several may call it at once, in one process or in many: all get the same key.
//
// A key that is there is never replaced. One that others may read gives ErrKeyMode, one that is empty, cut off or of
// another kind ErrKeyFile; what the system refuses keeps its errno.
func LoadOrCreate(dir string) (*Identity, error) {
	path := filepath.Join(dir, KeyFile)
	key, err := load(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = create(dir, path); err == nil || errors.Is(err, fs.ErrExist) {
			// Read back what is there: it may be another's, who was faster.
			key, err = load(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	return fromKey(key)
}

func load(path string) (ed25519.PrivateKey, error) {
	// Without O_NONBLOCK a FIFO in the key's place would hold the start for ever.
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
		return nil, unusable(path, "it is not a file")
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%w: %s has mode %04o; if nobody else can have read it: chmod 600 %s", ErrKeyMode, path, mode, path)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeyLen+1))
	if err != nil {
		return nil, fmt.Errorf("reading the device's key: %w", err)
	}
	key, fault := parse(text)
	if fault != "" {
		return nil, unusable(path, fault)
	}
	return key, nil
}

func unusable(path, fault string) error {
	return fmt.Errorf("%w: %s: %s; put back a copy of it, or remove it to begin anew under another id, which every peer must then be told",
		ErrKeyFile, path, fault)
}

// parse gives the key, or in words why it is none.
func parse(text []byte) (key ed25519.PrivateKey, fault string) {
	switch {
	case len(text) == 0:
		return nil, "the file is empty"
	case len(text) > maxKeyLen:
		return nil, "the file is too long for a key"
	}
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return nil, "it is not PEM, or cut off"
	case block.Type != pemType:
		return nil, fmt.Sprintf("it holds %q instead of %q", block.Type, pemType)
	case len(rest) > 0:
		return nil, "something follows the key"
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, "it is not a PKCS #8 key, or damaged"
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Sprintf("it is a key of another kind (%T) than ed25519", parsed)
	}
	return key, ""
}

// create makes a key and lets it appear under its name as a whole or not at all. It gives fs.ErrExist where the name is
// taken by then. What a power cut leaves behind is a temporary file that nobody reads.
func create(dir, path string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the state directory: %w", err)
	}
	text, err := newKey()
	if err != nil {
		return fmt.Errorf("making the device's key: %w", err)
	}
	temporary, err := writeTemporary(dir, text)
	if err != nil {
		return fmt.Errorf("writing the device's key: %w", err)
	}
	// A rename would replace a key that appeared meanwhile; a link does not.
	err = os.Link(temporary, path)
	if e := os.Remove(temporary); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("putting the device's key in place: %w", err)
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

// writeTemporary writes text to the disk itself, under a name of its own, mode 0600.
func writeTemporary(dir string, text []byte) (name string, err error) {
	file, err := os.CreateTemp(dir, "."+KeyFile+".*")
	if err != nil {
		return "", err
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	if e := file.Close(); err == nil {
		err = e
	}
	if err != nil {
		os.Remove(file.Name())
		return "", err
	}
	return file.Name(), nil
}

// syncDir makes the new name survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing the state directory: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("syncing the state directory: %w", err)
	}
	return nil
}
