package doctor

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"
)

// System is the machine as a user sees it.
type System struct {
	FS      fs.FS // the root directory
	User    string
	UID     int
	GIDs    []int // all groups of this process
	Release string

	Now func() time.Time
	// Run runs a program and returns what it prints on both outputs, and its
	// exit code. It fails if the program cannot be run.
	Run func(ctx context.Context, program string, args ...string) (output string, code int, err error)
	// PowerSave reports whether a wireless interface saves power.
	PowerSave func(iface string) (bool, error)
	// Synchronised reports whether the kernel's clock follows a better one.
	Synchronised func() (bool, error)
	// Space returns the free bytes and the size of a file system.
	Space func(path string) (free, size uint64, err error)
}

const (
	maxFile    = 64 << 10 // bytes
	maxEntries = 4096
)

var errTooLarge = errors.New("too large")

// read returns the text of a small file.
func (s *System) read(name string) (string, error) {
	f, err := s.FS.Open(strings.TrimPrefix(name, "/"))
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return "", err
	} else if !info.Mode().IsRegular() {
		return "", fs.ErrInvalid
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxFile {
		return "", errTooLarge
	}
	return string(b), nil
}

// line returns the first line of a small file, without spaces at its ends; ""
// if it cannot be read.
func (s *System) line(name string) string {
	text, err := s.read(name)
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(text, "\n")
	return strings.TrimSpace(strings.TrimRight(first, "\x00"))
}

// entries returns the names in a directory, at most maxEntries.
func (s *System) entries(dir string) (names []string) {
	f, err := s.FS.Open(strings.TrimPrefix(dir, "/"))
	if err != nil {
		return nil
	}
	defer f.Close()
	d, ok := f.(fs.ReadDirFile)
	if !ok {
		return nil
	}
	all, _ := d.ReadDir(maxEntries)
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

func (s *System) stat(name string) (fs.FileInfo, error) {
	return fs.Stat(s.FS, strings.TrimPrefix(path.Clean(name), "/"))
}

func (s *System) exists(name string) bool {
	_, err := s.stat(name)
	return err == nil
}

// link returns the target of a symbolic link, as a path from the root; "" if it
// is none.
func (s *System) link(name string) string {
	name = strings.TrimPrefix(name, "/")
	target, err := fs.ReadLink(s.FS, name)
	switch {
	case err != nil:
		return ""
	case path.IsAbs(target):
		return path.Clean(target)
	}
	return path.Join("/", path.Dir(name), target)
}
