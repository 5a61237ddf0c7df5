// Package smallfile reads and writes small files: the configuration, and the
// key and state of this device.
//
// Guarantees:
//   - A read never blocks and never opens a FIFO, device, socket or directory.
//     It returns at most as many bytes as the caller allows.
//   - A write leaves the old content or the new one, also after a power cut.
//     Once it has returned nil, the new one is on the disk.
//   - Temporary files have random names and are created with O_EXCL: a file or
//     link that is already there is never opened. New files have mode 0600.
//   - Errors name the path and keep the errno.
//
// The package has no goroutines and no state. Its functions are safe for
// concurrent use.
package smallfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Errors of the functions that read. Their messages say what to do.
var (
	ErrNotRegular = errors.New("not a regular file")
	ErrTooLarge   = errors.New("file too large")
	ErrAccess     = errors.New("accessible by others")
	ErrOwner      = errors.New("owned by another user")
)

// ErrDamaged is for callers: a file has other content than they write.
var ErrDamaged = errors.New("damaged file")

// Read returns the content of a file that people write. It follows symbolic
// links. Errors: ErrNotRegular; ErrTooLarge beyond limit bytes; or one with the
// errno.
func Read(path string, limit int) ([]byte, error) {
	return read(path, limit, 0, 0)
}

// ReadState returns the content of a file that Replace has written. It refuses
// what Replace does not write. Errors: those of Read; ErrNotRegular for a
// symbolic link; ErrAccess if others may write the file.
func ReadState(path string, limit int) ([]byte, error) {
	return read(path, limit, unix.O_NOFOLLOW, 0o022)
}

// ReadSecret is Read for a file that no other user may read or write: ErrAccess
// if its mode allows that.
func ReadSecret(path string, limit int) ([]byte, error) {
	return read(path, limit, 0, 0o077)
}

// IsUnusable reports whether an error of ReadState means that the file is not
// one that Replace has written, so that another read does not help. So does
// ErrDamaged.
func IsUnusable(err error) bool {
	return errors.Is(err, ErrNotRegular) || errors.Is(err, ErrTooLarge) || errors.Is(err, ErrAccess) ||
		errors.Is(err, ErrDamaged)
}

// read reads a file whose mode has none of the bits of forbidden.
func read(path string, limit, flags int, forbidden fs.FileMode) ([]byte, error) {
	f, err := open(path, unix.O_RDONLY|flags)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&forbidden != 0 {
		return nil, fmt.Errorf("%w: %s has mode %04o; run: chmod 600 %s", ErrAccess, path, mode, path)
	}
	// Not io.ReadAll: f is not in the poller, so that a file of procfs without
	// data is an error (EAGAIN) and does not block.
	b := make([]byte, 0, min(info.Size(), int64(limit))+1)
	for {
		if len(b) > limit {
			return nil, fmt.Errorf("%w: %s exceeds %d bytes", ErrTooLarge, path, limit)
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := unix.Read(int(f.Fd()), b[len(b):min(cap(b), limit+1)])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		case n == 0:
			return b, nil
		default:
			b = b[:len(b)+n]
		}
	}
}

// Open opens a regular file, with the flags of open(2). It does not follow a
// symbolic link. Errors: ErrNotRegular, or one with the errno.
func Open(path string, flags int) (*os.File, error) { return open(path, flags|unix.O_NOFOLLOW) }

// open refuses what is not a regular file before it opens it, because to open a
// device may have an effect, and looks again at what it has opened.
func open(path string, flags int) (*os.File, error) {
	stat := unix.Stat
	if flags&unix.O_NOFOLLOW != 0 {
		stat = unix.Lstat
	}
	var st unix.Stat_t
	err := retry(func() error { return stat(path, &st) })
	switch {
	case err == unix.ENOENT && flags&unix.O_CREAT != 0:
	case err != nil:
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	default:
		if err := regular(path, st.Mode); err != nil {
			return nil, err
		}
	}
	fd := -1
	err = retry(func() (err error) {
		// Without O_NONBLOCK, to open a FIFO would block.
		fd, err = unix.Open(path, flags|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0o600)
		return err
	})
	if err == unix.ELOOP && flags&unix.O_NOFOLLOW != 0 {
		return nil, fmt.Errorf("%w: %s is a symbolic link", ErrNotRegular, path)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, errors.Join(&fs.PathError{Op: "stat", Path: path, Err: err}, unix.Close(fd))
	}
	if err := regular(path, st.Mode); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), path), nil
}

func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

func regular(path string, mode uint32) error {
	kind := ""
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return nil
	case unix.S_IFDIR:
		kind = "directory"
	case unix.S_IFIFO:
		kind = "FIFO"
	case unix.S_IFSOCK:
		kind = "socket"
	case unix.S_IFLNK:
		kind = "symbolic link"
	default:
		kind = "device"
	}
	return fmt.Errorf("%w: %s is a %s", ErrNotRegular, path, kind)
}

// CheckDir returns an error if others than this user and root may change the
// names in a directory: they could replace its files. Errors: ErrAccess and
// ErrOwner, with what to do, or one with the errno.
func CheckDir(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return &fs.PathError{Op: "open", Path: dir, Err: unix.ENOTDIR}
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("%w: directory %s has mode %04o, so others may change its files; run: chmod 700 %s",
			ErrAccess, dir, mode, dir)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%w: directory %s belongs to uid %d, and this process runs as uid %d; run: chown %d %s",
			ErrOwner, dir, st.Uid, os.Geteuid(), os.Geteuid(), dir)
	}
	return nil
}
