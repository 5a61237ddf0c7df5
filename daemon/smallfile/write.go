package smallfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// Replace writes a file with mode 0600, which may exist.
func Replace(path string, content []byte) error {
	f, err := pending(path, content)
	if err == nil {
		err = errors.Join(f.CloseAtomicallyReplace(), f.Cleanup())
	}
	if err != nil {
		return plain("replace", path, err)
	}
	return SyncDir(filepath.Dir(path)) // renameio syncs the file only
}

// Create writes a file with mode 0600, completely or not at all. It returns
// fs.ErrExist if there is one.
func Create(path string, content []byte) error {
	f, err := pending(path, content)
	if err == nil {
		if err = f.Sync(); err == nil {
			// Not a rename: it would replace a file that was created in the
			// meantime. link(2) fails instead.
			err = os.Link(f.Name(), path)
		}
		err = errors.Join(err, f.Cleanup())
	}
	if err != nil {
		return plain("create", path, err)
	}
	return SyncDir(filepath.Dir(path))
}

// pending returns a temporary file with the content, beside path.
func pending(path string, content []byte) (*renameio.PendingFile, error) {
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)),
		renameio.WithStaticPermissions(0o600))
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(content); err != nil {
		return nil, errors.Join(err, f.Cleanup())
	}
	return f, nil
}

// plain returns an error without the random name of the temporary file, so that
// a repeated error has the same text.
func plain(op, path string, err error) error {
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return &fs.PathError{Op: op, Path: path, Err: errno}
	}
	return err
}

// Remove removes a file. It returns fs.ErrNotExist if there is none.
func Remove(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// SetAside renames an unusable file to its name with ".corrupt", in place of
// the one that was set aside before, and returns that name.
func SetAside(path string) (kept string, err error) {
	kept = path + ".corrupt"
	if err = os.Rename(path, kept); err != nil {
		_ = os.Remove(kept) // a directory, which a file cannot replace
		err = os.Rename(path, kept)
	}
	if err != nil {
		return "", err
	}
	return kept, SyncDir(filepath.Dir(path))
}

// Recover sets a file aside if err, from reading or parsing it, means that it
// is unusable. Any other err is a fault of the disk, after which the file must
// not be replaced. The problem to report begins with lost or unread.
func Recover(path string, err error, lost, unread string) (problem string, fault error) {
	if !IsUnusable(err) {
		fault = fmt.Errorf("%s: %w", unread, err)
		return fault.Error(), fault
	}
	problem = fmt.Sprintf("%s: %v", lost, err)
	kept, err := SetAside(path)
	if err != nil {
		return fmt.Sprintf("%s; not set aside: %v", problem, err), nil
	}
	return problem + "; the file is kept as " + kept, nil
}

// RemoveTemporaries removes what Replace and Create leave behind in a directory
// if the process is killed or the power cut while they write.
func RemoveTemporaries(dir string) {
	d, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY, 0) // not a FIFO, which would block
	if err != nil {
		return
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	for _, name := range names {
		if isTemporary(name) {
			_ = os.Remove(filepath.Join(dir, name))
		}
	}
}

// isTemporary reports whether a file has the name of what Replace and Create
// leave behind: a dot, the name of the file, and digits.
func isTemporary(name string) bool {
	rest := strings.TrimRight(name, "0123456789")
	return strings.HasPrefix(name, ".") && len(rest) > 1 && len(name)-len(rest) >= 10
}

// SyncDir makes changes of names in a directory survive a power cut.
func SyncDir(dir string) error {
	d, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
