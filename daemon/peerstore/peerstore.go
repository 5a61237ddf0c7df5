// Package peerstore keeps the peers made by pairing, in the folder peers of the
// state directory: one file for each, with the id as its name.
//
// Guarantees:
//   - A change is on the disk when Put or Remove returns nil, and not made at
//     all when it returns an error.
//   - An unusable file is set aside under its name with ".corrupt" and reported
//     by Problems. It costs that peer and nothing else.
//   - It reads files of at most 4 KiB, and keeps at most MaxPeers peers.
//
// The package has no goroutines. A Store is safe for concurrent use.
package peerstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"vchat/config"
	"vchat/daemon/identity"
	"vchat/daemon/smallfile"
)

// Dir is the name of the folder in the state directory.
const Dir = "peers"

// MaxPeers is the largest number of peers in a Store.
const MaxPeers = 256

const (
	maxFile    = 4096         // bytes; a peer takes at most 600
	maxEntries = 4 * MaxPeers // names in the folder that are looked at
	version    = 1
	suffix     = ".json"
)

// Errors of Put and Remove, for errors.Is.
var (
	ErrInvalid   = errors.New("invalid peer")
	ErrNameTaken = errors.New("name taken")
	ErrFull      = fmt.Errorf("limit of %d paired peers reached", MaxPeers)
	ErrNotFound  = errors.New("no such paired peer")
	ErrFolder    = errors.New("folder of paired peers not usable")
	ErrNotSynced = errors.New("forgotten, but it may be back after a power cut")
)

// Peer is a device that this one was paired with.
type Peer struct {
	Name    string      // as the name of a peer in the configuration
	ID      identity.ID // of the device
	Address string      // HOST:PORT; "" if the peer connects to this device
	Added   time.Time   // when, in UTC to the second

	AutoAnswer bool    // answer its calls automatically
	MaxBitrate float64 // of the video sent to it, in Mbit/s; 0: no limit
	Proxy      string  // URL of the SOCKS5 proxy by which Address is dialled, with its password; "": none
}

// Store holds the paired peers of a device.
type Store struct {
	dir string

	mu       sync.Mutex
	peers    map[identity.ID]Peer
	fault    error    // why the folder cannot be used; nil: it can
	problems []string // of files, since Open
}

// Open reads the peers in a state directory. It returns a Store for any content
// of the directory, even if there is none; Problems has what is wrong.
func Open(stateDir string) *Store {
	s := &Store{dir: filepath.Join(stateDir, Dir), peers: map[identity.ID]Peer{}}
	s.fault = s.load()
	return s
}

// List returns the peers, sorted by name.
func (s *Store) List() []Peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Peer
	for _, p := range s.peers {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b Peer) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Get returns the peer with an id, and whether there is one.
func (s *Store) Get(id identity.ID) (Peer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.peers[id]
	return p, ok
}

// Problems returns what was wrong with the files at Open, one sentence each.
func (s *Store) Problems() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.problems)
	if s.fault != nil {
		all = append(all, s.fault.Error())
	}
	return all
}

// RemoveTemporaries removes what a write leaves behind that a power cut ended.
// No other process may use the store.
func (s *Store) RemoveTemporaries() { smallfile.RemoveTemporaries(s.dir) }

// Put adds a peer, or replaces the one with its id, and returns it. A zero
// Added is the present time. Errors: ErrInvalid for what the configuration
// would refuse; ErrNameTaken if another paired peer has the name, in upper or
// lower case; ErrFull; ErrFolder; or one with the errno of the write.
func (s *Store) Put(p Peer) (Peer, error) {
	if p.Added.IsZero() {
		p.Added = time.Now().UTC().Truncate(time.Second)
	}
	if err := p.check(); err != nil {
		return Peer{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != nil {
		return Peer{}, s.fault
	}
	for other := range s.peers {
		if other != p.ID && strings.EqualFold(s.peers[other].Name, p.Name) {
			return Peer{}, fmt.Errorf("%w: another paired peer is called %s", ErrNameTaken, s.peers[other].Name)
		}
	}
	if _, known := s.peers[p.ID]; !known && len(s.peers) >= MaxPeers {
		return Peer{}, ErrFull
	}
	if err := s.write(p); err != nil {
		return Peer{}, fmt.Errorf("keep paired peer: %w", err)
	}
	s.peers[p.ID] = p
	return p, nil
}

// Remove forgets the peer with a name or an id in text form, and returns it.
// Errors: ErrNotFound; one with the errno, after which the peer is still there;
// or ErrNotSynced, after which it is not.
func (s *Store) Remove(nameOrID string) (Peer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.find(nameOrID)
	if !ok {
		return Peer{}, fmt.Errorf("%w: %q", ErrNotFound, nameOrID)
	}
	if err := os.Remove(s.path(p.ID)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Peer{}, fmt.Errorf("forget paired peer: %w", err)
	}
	delete(s.peers, p.ID)
	if err := smallfile.SyncDir(s.dir); err != nil {
		return p, fmt.Errorf("%w: %w", ErrNotSynced, err)
	}
	return p, nil
}

func (s *Store) find(nameOrID string) (Peer, bool) {
	if id, err := identity.ParseID(nameOrID); err == nil {
		p, ok := s.peers[id]
		return p, ok
	}
	for _, p := range s.peers {
		if strings.EqualFold(p.Name, nameOrID) {
			return p, true
		}
	}
	return Peer{}, false
}

func (s *Store) path(id identity.ID) string { return filepath.Join(s.dir, id.String()+suffix) }

// check returns ErrInvalid unless the configuration would accept the peer.
func (p Peer) check() error {
	if err := config.CheckPeerName(p.Name); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := config.CheckMaxBitrate(p.MaxBitrate); err != nil {
		return fmt.Errorf("%w: the limit of the bit rate %w", ErrInvalid, err)
	}
	if p.Proxy != "" {
		if err := config.CheckPeerProxy(p.Proxy); err != nil {
			return fmt.Errorf("%w: the proxy %w", ErrInvalid, err)
		}
	}
	if p.Address == "" {
		return nil
	}
	if err := config.CheckPeerAddress(p.Address); err != nil {
		return fmt.Errorf("%w: address %w", ErrInvalid, err)
	}
	return nil
}

// saved is the content of a file.
type saved struct {
	Version    int       `json:"version"`
	Name       string    `json:"name"`
	ID         string    `json:"id"`
	Address    string    `json:"address,omitempty"`
	AutoAnswer bool      `json:"auto_answer,omitempty"`
	MaxBitrate float64   `json:"max_bitrate,omitempty"`
	Proxy      string    `json:"proxy,omitempty"`
	Added      time.Time `json:"added"`
}

// marshal returns the content of the file of a peer.
func (p Peer) marshal() ([]byte, error) {
	b, err := json.Marshal(saved{version, p.Name, p.ID.String(), p.Address, p.AutoAnswer, p.MaxBitrate,
		p.Proxy, p.Added})
	return append(b, '\n'), err
}

// write writes the file of a peer, and creates the folder. If it returns an
// error, the folder has the old file or none.
func (s *Store) write(p Peer) error {
	if err := os.Mkdir(s.dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// Always: a program that was killed may have created the folder.
	if err := smallfile.SyncDir(filepath.Dir(s.dir)); err != nil {
		return err
	}
	b, err := p.marshal()
	if err != nil {
		return err
	}
	if len(b) > maxFile {
		return fmt.Errorf("%w: file of %d bytes", ErrInvalid, len(b))
	}
	old, known := s.peers[p.ID]
	if err = smallfile.Replace(s.path(p.ID), b); err == nil {
		return nil
	}
	// The file may be there, but not surely on the disk.
	if !known {
		_ = smallfile.Remove(s.path(p.ID))
	} else if b, e := old.marshal(); e == nil {
		_ = smallfile.Replace(s.path(p.ID), b)
	}
	return err
}

// load reads the folder. The error says why it cannot be used.
func (s *Store) load() error {
	names, err := s.names()
	if err != nil || names == nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		text, ok := strings.CutSuffix(name, suffix)
		id, err := identity.ParseID(text)
		if !ok || err != nil || id.String() != text {
			continue
		}
		if len(s.peers) == MaxPeers {
			s.problems = append(s.problems, fmt.Sprintf("more than %d paired peers: the others are ignored", MaxPeers))
			break
		}
		if p, err := s.read(id); err != nil {
			s.refuse(s.path(id), err)
		} else {
			s.peers[id] = p
		}
	}
	return nil
}

// names returns the names in the folder, at most maxEntries; nil if there is no
// folder. What is there instead is set aside.
func (s *Store) names() ([]string, error) {
	info, err := os.Lstat(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && !info.IsDir() {
		s.refuse(s.dir, fmt.Errorf("%w: %s is not a folder", smallfile.ErrDamaged, s.dir))
		return nil, nil
	}
	if err == nil {
		err = smallfile.CheckDir(s.dir)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	d, err := os.Open(s.dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	defer d.Close()
	names, err := d.Readdirnames(maxEntries)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	if len(names) == maxEntries {
		s.problems = append(s.problems, fmt.Sprintf("too many files in %s: those after the first %d are ignored", s.dir,
			maxEntries))
	}
	return names, nil
}

func (s *Store) read(id identity.ID) (Peer, error) {
	path := s.path(id)
	b, err := smallfile.ReadState(path, maxFile)
	if err != nil {
		return Peer{}, err
	}
	var f saved
	if err := json.Unmarshal(b, &f); err != nil {
		return Peer{}, fmt.Errorf("%w: %s: %w", smallfile.ErrDamaged, path, err)
	}
	p := Peer{f.Name, id, f.Address, f.Added, f.AutoAnswer, f.MaxBitrate, f.Proxy}
	switch {
	case f.Version != version:
		return Peer{}, fmt.Errorf("%w: %s: version %d, want %d", smallfile.ErrDamaged, path, f.Version, version)
	case f.ID != id.String():
		return Peer{}, fmt.Errorf("%w: %s: id of another device", smallfile.ErrDamaged, path)
	}
	if err := p.check(); err != nil {
		return Peer{}, fmt.Errorf("%w: %s: %w", smallfile.ErrDamaged, path, err)
	}
	for _, other := range s.peers {
		if strings.EqualFold(other.Name, p.Name) {
			return Peer{}, fmt.Errorf("%w: %s: %w: %s", smallfile.ErrDamaged, path, ErrNameTaken, p.Name)
		}
	}
	return p, nil
}

// refuse records why a file is not used, and sets it aside unless the fault is
// one of the disk.
func (s *Store) refuse(path string, err error) {
	problem, _ := smallfile.Recover(path, err, "paired peer lost", "paired peer not read")
	s.problems = append(s.problems, problem)
}
