// Package newfile creates the files that vchatctl saves.
//
// Guarantees:
//   - An existing file is replaced only if the caller says so, also if it
//     appears at the last moment.
//   - A file gets its name after its first content, at once.
//   - In a folder that other users can write to, no symbolic link is followed,
//     and nothing but a regular file is written.
//
// The kernel does part of this in sticky folders, if fs.protected_symlinks and
// fs.protected_fifos are set; see proc_sys_fs(5). This package does not rely on
// it. It opens each folder of a path relative to the one before:
//
//	path ─▶ folder ─▶ folder ─▶ … ─▶ temporary file ──Publish──▶ name
//	          │ link in a shared folder: error
package newfile

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Errors of Create and Publish, for errors.Is.
var (
	ErrExists  = errors.New("file already exists")
	ErrLink    = errors.New("symbolic link in a folder that other users can write to")
	ErrSpecial = errors.New("not a regular file, in a folder that other users can write to")
)

// maxLinks is the limit of the kernel; see path_resolution(7).
const maxLinks = 40

// File is a file that is being written. Until Publish it has a temporary name.
// Close must be called, also after Publish. Its methods must not be called
// concurrently.
type File struct {
	*os.File
	Regular bool // false: a device or a pipe, written in place

	path    string // as the user gave it
	dir     *os.File
	name    string // in dir
	temp    string // in dir; "": published, or written in place
	replace bool
}

// Create creates a file, to be published at a path, or opens the device or pipe
// there. Errors: ErrExists unless replace is set, ErrLink, ErrSpecial and those
// of the system.
func Create(path string, replace bool) (*File, error) {
	f := &File{path: path, replace: replace}
	w := walker{rest: path}
	err := w.start()
	if err == nil {
		err = f.create(&w)
	}
	if err != nil {
		w.dir.Close()
		return nil, f.wrap(err)
	}
	f.dir = w.dir
	return f, nil
}

func (f *File) create(w *walker) error {
	kind, err := w.walk()
	if err != nil {
		return err
	}
	f.name = w.name
	switch {
	case kind == unix.S_IFDIR:
		return unix.EISDIR
	case kind == 0, kind == unix.S_IFREG, kind == unix.S_IFLNK:
		if !f.replace && (kind != 0 || w.lastLink) {
			return ErrExists
		}
		return f.createTemp(w.dir)
	case w.shared:
		return ErrSpecial
	}
	flags := unix.O_WRONLY | unix.O_NOCTTY | unix.O_CLOEXEC | unix.O_NOFOLLOW
	if kind == inherited {
		flags &^= unix.O_NOFOLLOW
	}
	fd, err := unix.Openat(int(w.dir.Fd()), w.name, flags, 0)
	if err != nil {
		return err
	}
	f.File = os.NewFile(uintptr(fd), f.path)
	return nil
}

func (f *File) createTemp(dir *os.File) error {
	for {
		f.temp = fmt.Sprintf(".vchat-%016x", rand.Uint64())
		const flags = unix.O_RDWR | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
		fd, err := unix.Openat(int(dir.Fd()), f.temp, flags, 0o666) // the umask applies
		if err == unix.EEXIST {
			continue
		}
		if err != nil {
			return err
		}
		f.File, f.Regular = os.NewFile(uintptr(fd), f.path), true
		return nil
	}
}

// Save writes the data to a new file, and to the disk, and publishes it. Errors
// are those of the system and of Publish.
func (f *File) Save(data []byte) error {
	_, err := f.Write(data)
	if err == nil && f.Regular {
		err = f.Sync() // else a power cut can leave the new name with no data
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	if err != nil {
		return f.wrap(err)
	}
	return f.Publish()
}

// Publish gives the file its name. Later calls do nothing. Errors: ErrExists
// for a file that has appeared since Create, unless it may be replaced, and
// those of the system.
func (f *File) Publish() error {
	if f.temp == "" {
		return nil
	}
	dir := int(f.dir.Fd())
	var err error
	if f.replace {
		err = unix.Renameat(dir, f.temp, dir, f.name)
	} else {
		err = unix.Renameat2(dir, f.temp, dir, f.name, unix.RENAME_NOREPLACE)
		if err == unix.EINVAL || err == unix.ENOSYS { // NFS, for example
			if err = unix.Linkat(dir, f.temp, dir, f.name, 0); err == nil {
				err = unix.Unlinkat(dir, f.temp, 0)
			}
		}
		if err == unix.EEXIST {
			err = ErrExists
		}
	}
	if err != nil {
		return f.wrap(err)
	}
	f.temp = ""
	return nil
}

// Close closes the file. It removes a file that has not been published.
func (f *File) Close() error {
	err := f.File.Close()
	if f.temp != "" {
		err = cmp.Or(err, unix.Unlinkat(int(f.dir.Fd()), f.temp, 0))
	}
	return cmp.Or(err, f.dir.Close())
}

func (f *File) wrap(err error) error { return fmt.Errorf("%s: %w", f.path, err) }

// inherited is the kind of an open file of this process, such as /dev/stdout:
// a link in /proc that only the kernel can follow.
const inherited = 1

// walker opens the folders of a path one by one.
type walker struct {
	rest     string   // of the path
	links    int      // followed so far
	lastLink bool     // the last element of the path was one
	dir      *os.File // that rest starts in
	shared   bool     // other users can write to dir
	name     string   // in dir, at the end
}

// start opens the folder that rest starts in.
func (w *walker) start() error {
	if w.rest == "" {
		return unix.ENOENT
	}
	if w.rest[0] == '/' {
		return w.open(unix.AT_FDCWD, "/")
	}
	if w.dir != nil {
		return nil // the target of a link, relative to its folder
	}
	return w.open(unix.AT_FDCWD, ".")
}

// open opens a folder in another one, and continues there.
func (w *walker) open(at int, name string) error {
	fd, err := unix.Openat(at, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	w.dir.Close() // nil at first: that error does not matter
	w.dir = os.NewFile(uintptr(fd), name)
	w.shared, err = isShared(fd)
	return err
}

// walk opens all folders and returns the kind of the file at the end: S_IFMT of
// its mode, 0 if there is none, or inherited. S_IFLNK is a link that must not
// be followed.
func (w *walker) walk() (kind uint32, err error) {
	for {
		name, rest, more := strings.Cut(strings.TrimLeft(w.rest, "/"), "/")
		if name == "" {
			return unix.S_IFDIR, nil // the path is a folder
		}
		at := int(w.dir.Fd())
		var st unix.Stat_t
		switch err := unix.Fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW); {
		case err == unix.ENOENT && !more:
			w.name = name
			return 0, nil
		case err != nil:
			return 0, err
		}
		switch kind := st.Mode & unix.S_IFMT; {
		case kind == unix.S_IFLNK && !more && w.shared:
			w.name = name
			return kind, nil
		case kind == unix.S_IFLNK && !more && isProc(at):
			w.name = name
			return inherited, nil
		case kind == unix.S_IFLNK && w.shared:
			return 0, ErrLink
		case kind == unix.S_IFLNK:
			if err := w.follow(name, rest, more); err != nil {
				return 0, err
			}
		case more:
			if err := w.open(at, name); err != nil {
				return 0, err
			}
			w.rest = rest
		default:
			w.name = name
			return kind, nil
		}
	}
}

// follow continues at the target of a link.
func (w *walker) follow(name, rest string, more bool) error {
	if w.links++; w.links > maxLinks {
		return unix.ELOOP
	}
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(w.dir.Fd()), name, b)
	if err != nil {
		return err
	}
	w.rest = string(b[:n])
	if more {
		w.rest += "/" + rest
	} else {
		w.lastLink = true
	}
	return w.start()
}

// isShared reports whether users other than this one and root can write to a
// folder. A group whose number is that of the user counts as private: many
// systems give each user such a group.
func isShared(dir int) (bool, error) {
	var st unix.Stat_t
	if err := unix.Fstat(dir, &st); err != nil {
		return false, err
	}
	uid := uint32(os.Geteuid())
	switch {
	case st.Uid != 0 && st.Uid != uid, st.Mode&unix.S_IWOTH != 0:
		return true, nil
	case st.Mode&unix.S_IWGRP == 0:
		return false, nil
	}
	// With an access control list, the bits of the group stand for others too.
	n, _ := unix.Getxattr(fmt.Sprintf("/proc/self/fd/%d", dir), "system.posix_acl_access", nil)
	return n > 0 || st.Gid != uid && st.Gid != 0, nil
}

// isProc reports whether a folder is in /proc.
func isProc(dir int) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(dir, &st) == nil && int64(st.Type) == unix.PROC_SUPER_MAGIC
}
