// Package configfile reads the configuration file of a device and keeps a copy
// of the last good one, so that a fault in the file does not cost the device at
// its next start.
//
// Guarantees:
//   - The copy is used at a start only, and only for the path that it is a copy
//     of. A reload never uses it.
//   - The copy is replaced atomically, and only by a file that the daemon runs
//     with.
//   - The file itself is never written.
//
// The package has no goroutines. A File is not safe for concurrent use.
package configfile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"vchat/config"
	"vchat/daemon/smallfile"
)

// CopyName is the name of the copy in the state directory.
const CopyName = "last-good.yaml"

// maxCopy is the largest size of a copy, in bytes: a configuration of 1 MiB and
// a line with its path.
const maxCopy = 1<<20 + 64<<10

// The first line of a copy is header, the quoted absolute path, trailer.
const (
	header  = "# Last good copy of "
	trailer = ", kept by vchatd. Edit that file, not this one.\n"
)

// File is a configuration file.
type File struct {
	path    string
	own     config.OwnID
	loaded  []byte // what Start or Load returned
	ondisk  bool   // loaded comes from the file
	systemd string // the first state directory of the unit; ""
}

// New returns the file at a path, for the device with this id.
func New(path string, own config.OwnID) *File {
	dir, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":") // systemd.exec(5)
	return &File{path: path, own: own, systemd: dir}
}

// Path returns the path of the file.
func (f *File) Path() string { return f.path }

// Start returns the configuration to start with. It is that of the file; or for
// a file that is refused, missing or empty, that of the last good copy. Then
// refused says why. Without a copy, a missing or empty file means the defaults,
// and a refused one is the error.
func (f *File) Start() (cfg *config.Config, refused, err error) {
	b, err := config.Read(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		refused = fmt.Errorf("%s does not exist", f.path)
	case err == nil && len(b) == 0: // a power cut empties a file that an editor was writing
		refused = fmt.Errorf("%s is empty", f.path)
	case err == nil:
		if cfg, err = config.ParseFor(f.path, b, f.own); err == nil {
			f.loaded, f.ondisk = b, true
			return cfg, nil, nil
		}
	}
	good, copyErr := f.lastGood(b)
	if copyErr == nil {
		cfg, copyErr = config.ParseFor(f.path, good, f.own)
	}
	if copyErr != nil || refused != nil && len(good) == 0 {
		if refused == nil {
			return nil, nil, err
		}
		f.loaded, f.ondisk = nil, err == nil
		cfg, err = config.ParseFor(f.path, nil, f.own)
		return cfg, nil, err
	}
	f.loaded, f.ondisk = good, false
	if refused == nil {
		refused = err
	}
	return cfg, refused, nil
}

// Load returns the configuration of the file for a reload. A missing file is an
// error then: the defaults would remove all peers.
func (f *File) Load() (*config.Config, error) {
	b, err := config.Read(f.path)
	if err != nil {
		return nil, err
	}
	cfg, err := config.ParseFor(f.path, b, f.own)
	if err == nil {
		f.loaded, f.ondisk = b, true
	}
	return cfg, err
}

// Keep keeps what the daemon runs with as the last good copy, in its state
// directory, and in that of its unit, where Start finds it even if the file
// does not say where the state directory is.
func (f *File) Keep(stateDir string) error {
	if !f.ondisk {
		return nil
	}
	path, err := filepath.Abs(f.path)
	if err != nil {
		return err
	}
	text := append([]byte(header+strconv.Quote(path)+trailer), f.loaded...)
	for _, dir := range []string{stateDir, f.systemd} {
		if dir == "" || dir == f.systemd && smallfile.CheckDir(dir) != nil {
			continue
		}
		name := filepath.Join(dir, CopyName)
		if old, err := smallfile.ReadState(name, maxCopy); err == nil && bytes.Equal(old, text) {
			continue // a start must not wear out the flash
		} else if err != nil && smallfile.IsUnusable(err) {
			_, _ = smallfile.SetAside(name)
		}
		if e := smallfile.Replace(name, text); e != nil {
			err = errors.Join(err, fmt.Errorf("keep last good configuration: %w", e))
		}
	}
	return err
}

// lastGood returns the last good copy of the file, whose present content is b.
func (f *File) lastGood(b []byte) ([]byte, error) {
	for _, dir := range []string{f.systemd, stateDirOf(b), config.Default().StateDir} {
		if dir == "" || smallfile.CheckDir(dir) != nil {
			continue
		}
		if good, err := readCopy(filepath.Join(dir, CopyName), f.path); err == nil {
			return good, nil
		}
	}
	return nil, fs.ErrNotExist
}

// readCopy returns the content of a copy without its first line.
func readCopy(name, path string) ([]byte, error) {
	b, err := smallfile.ReadState(name, maxCopy)
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	good, ok := bytes.CutPrefix(b, []byte(header+strconv.Quote(abs)+trailer))
	if !ok {
		return nil, fmt.Errorf("%s is not a copy of %s", name, abs)
	}
	return good, nil
}

// stateDirOf returns the state directory that a file with faults seems to name.
func stateDirOf(b []byte) string {
	stateDirLine := regexp.MustCompile(`(?m)^["']?state_dir["']?[ \t]*:[ \t]*["']?(/[^"'#\r\n]*)`)
	if m := stateDirLine.FindSubmatch(b); m != nil {
		return strings.TrimSpace(string(m[1]))
	}
	return ""
}
