package feeds

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"vchat/daemon/smallfile"
)

// FileName is the name of the file in the state directory that keeps the
// readers, with the hashes of their tokens.
const FileName = "readers.json"

// MaxReaders is the largest number of readers. Each request compares its token
// with all of them.
const MaxReaders = 64

const (
	tokenBytes  = 20 // random
	maxFile     = 64 << 10
	fileVersion = 1
)

// Errors of Add and Remove, for errors.Is.
var (
	ErrName = errors.New("a reader's name must be 1 to 32 characters of " +
		"a-z A-Z 0-9 . _ - and start with a letter or digit")
	ErrTaken    = errors.New("there is a reader of this name already")
	ErrFull     = fmt.Errorf("limit of %d readers reached", MaxReaders)
	ErrNotFound = errors.New("no such reader")
)

// Reader is a program with a token.
type Reader struct {
	Name  string
	Added time.Time // in UTC to the second
}

// reader is a Reader with what its token must be.
type reader struct {
	Reader
	hash            [sha256.Size]byte
	context.Context // done after remove
	end             context.CancelFunc
}

// store keeps the readers of a device in a file. It is safe for concurrent use.
type store struct {
	path string

	mu      sync.Mutex
	readers []*reader
	fault   error  // why the file cannot be read; nil: it can
	problem string // what was wrong with the file
}

// file is the content of the file.
type file struct {
	Version int           `json:"version"`
	Readers []savedReader `json:"readers"`
}

type savedReader struct {
	Name  string    `json:"name"`
	Hash  string    `json:"token_sha256"`
	Added time.Time `json:"added"`
}

// openStore reads the readers in a state directory. It sets an unusable file
// aside: its tokens are valid no more.
func openStore(stateDir string) *store {
	s := &store{path: filepath.Join(stateDir, FileName)}
	b, err := smallfile.ReadSecret(s.path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return s
	}
	if err == nil {
		s.readers, err = parse(b)
	}
	if err != nil {
		s.problem, s.fault = smallfile.Recover(s.path, err,
			"readers of the feeds lost", "readers of the feeds not read")
	}
	return s
}

// parse returns the readers in a file.
func parse(b []byte) ([]*reader, error) {
	var f file
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("%w: %w", smallfile.ErrDamaged, err)
	}
	if f.Version != fileVersion {
		return nil, fmt.Errorf("%w: version %d, want %d", smallfile.ErrDamaged, f.Version, fileVersion)
	}
	if len(f.Readers) > MaxReaders {
		return nil, fmt.Errorf("%w: %w", smallfile.ErrDamaged, ErrFull)
	}
	var all []*reader
	for _, saved := range f.Readers {
		hash, err := hex.DecodeString(saved.Hash)
		switch {
		case err != nil || len(hash) != sha256.Size:
			return nil, fmt.Errorf("%w: not the hash of a token", smallfile.ErrDamaged)
		case !validName(saved.Name):
			return nil, fmt.Errorf("%w: %w", smallfile.ErrDamaged, ErrName)
		case indexOf(all, saved.Name) >= 0:
			return nil, fmt.Errorf("%w: %w", smallfile.ErrDamaged, ErrTaken)
		}
		all = append(all, newReader(Reader{saved.Name, saved.Added}, [sha256.Size]byte(hash)))
	}
	return all, nil
}

func newReader(r Reader, hash [sha256.Size]byte) *reader {
	ctx, end := context.WithCancel(context.Background())
	return &reader{r, hash, ctx, end}
}

func validName(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return len(s) >= 1 && len(s) <= 32 && strings.Trim(s, letters+"._-") == "" && strings.Trim(s[:1], letters) == ""
}

func indexOf(all []*reader, name string) int {
	return slices.IndexFunc(all, func(r *reader) bool { return strings.EqualFold(r.Name, name) })
}

// add adds a reader and returns its token. Errors: ErrName, ErrTaken, ErrFull,
// or one of the disk.
func (s *store) add(name string) (Reader, string, error) {
	if !validName(name) {
		return Reader{}, "", ErrName
	}
	var b [tokenBytes]byte
	_, _ = rand.Read(b[:]) // never fails
	token := strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.fault != nil:
		return Reader{}, "", s.fault
	case indexOf(s.readers, name) >= 0:
		return Reader{}, "", ErrTaken
	case len(s.readers) >= MaxReaders:
		return Reader{}, "", ErrFull
	}
	r := newReader(Reader{name, time.Now().UTC().Truncate(time.Second)}, sha256.Sum256([]byte(token)))
	if err := s.write(append(slices.Clone(s.readers), r)); err != nil {
		return Reader{}, "", err
	}
	return r.Reader, token, nil
}

// remove removes a reader and ends what it reads. Errors: ErrNotFound, or one
// of the disk, after which the reader is still there.
func (s *store) remove(name string) (Reader, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := indexOf(s.readers, name)
	if i < 0 {
		return Reader{}, ErrNotFound
	}
	r := s.readers[i]
	if err := s.write(slices.Delete(slices.Clone(s.readers), i, i+1)); err != nil {
		return Reader{}, err
	}
	r.end()
	return r.Reader, nil
}

// write writes the file and makes the readers the present ones. The caller
// holds mu.
func (s *store) write(all []*reader) error {
	f := file{Version: fileVersion, Readers: []savedReader{}}
	for _, r := range all {
		f.Readers = append(f.Readers, savedReader{r.Name, hex.EncodeToString(r.hash[:]), r.Added})
	}
	b, err := json.Marshal(f)
	if err == nil {
		err = smallfile.Replace(s.path, append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("keep readers of the feeds: %w", err)
	}
	s.readers = all
	return nil
}

// list returns the readers, sorted by name.
func (s *store) list() (all []Reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.readers {
		all = append(all, r.Reader)
	}
	slices.SortFunc(all, func(a, b Reader) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// find returns the reader with a token, or nil. Its time depends on the token
// only through its hash, and not on which reader has it.
func (s *store) find(token string) (found *reader) {
	hash := sha256.Sum256([]byte(token))
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.readers {
		if subtle.ConstantTimeCompare(hash[:], r.hash[:]) == 1 {
			found = r
		}
	}
	return found
}
