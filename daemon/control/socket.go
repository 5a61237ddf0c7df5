package control

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrInUse is returned by Listen if another process serves the socket.
var ErrInUse = errors.New("in use by another process")

const (
	socketMode = 0o660
	// backlog is long, because beyond it connect(2) fails, and a flood of one
	// user would win against the attempts of others. Within it, all have their
	// turn.
	backlog = 1024
	maxPath = len(unix.RawSockaddrUnix{}.Path) - 1 // unix(7): sun_path without its zero byte
)

// socket is the listening socket with its file.
type socket struct {
	path     string
	listener *net.UnixListener
	file     os.FileInfo // identifies the file in remove
}

// listen creates the socket at path. It sets the mode and the groups between
// bind and listen, while the kernel refuses every connection.
func listen(path string, g groups, log *slog.Logger) (*socket, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("path too long: %d bytes, at most %d", len(path), maxPath)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := removeStale(path); err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), path)
	defer file.Close() // FileListener duplicates it
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	s := &socket{path: path}
	if err := s.open(fd, file, g, log); err != nil {
		os.Remove(path)
		return nil, err
	}
	return s, nil
}

func (s *socket) open(fd int, file *os.File, g groups, log *slog.Logger) (err error) {
	if s.file, err = os.Lstat(s.path); err != nil {
		return err
	}
	if err := setRights(s.path, g, log); err != nil {
		return err
	}
	if err := unix.Listen(fd, backlog); err != nil {
		return os.NewSyscallError("listen", err)
	}
	l, err := net.FileListener(file)
	if err != nil {
		return err
	}
	s.listener = l.(*net.UnixListener)
	return nil
}

// setRights lets only the members of the groups connect.
func setRights(path string, g groups, log *slog.Logger) error {
	owning, more := true, g.others()
	// Change the group before the mode. Otherwise the group of this process
	// could connect for a moment.
	if err := chgrp(path, g.call); err != nil {
		// The unit denies chown(2). An access control list needs none.
		owning, more = false, append(more, g.call)
	}
	if err := unix.Lremovexattr(path, aclAttr); err != nil && !errors.Is(err, unix.ENODATA) &&
		!errors.Is(err, unix.ENOTSUP) {
		return os.NewSyscallError("lremovexattr", err)
	}
	if err := os.Chmod(path, socketMode); err != nil {
		return err
	}
	if err := allowGroups(path, owning, more); err != nil {
		log.Warn("control socket groups not set: their members must be in the group of vchatd too", "socket", path,
			"gids", more, "err", err)
	}
	return nil
}

// remove deletes the socket file if it is still the one that s created.
func (s *socket) remove() error {
	unlock, err := lockDir(filepath.Dir(s.path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	now, err := os.Lstat(s.path)
	// Inode numbers are reused at once, so compare the modification time too.
	if err != nil || !os.SameFile(now, s.file) || !now.ModTime().Equal(s.file.ModTime()) {
		return nil
	}
	return os.Remove(s.path)
}

// removeStale deletes a socket that nothing listens on: its process was killed.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("the file exists and is not a socket (%s)", info.Mode())
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		conn.Close()
		return ErrInUse
	case errors.Is(err, unix.ECONNREFUSED):
		return os.Remove(path)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, unix.EAGAIN), errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w, which accepts no connections: %w", ErrInUse, err)
	}
	return err
}

// lockDir locks dir, so that two processes that start at once do not delete
// each other's new socket as stale. Any process that can read the directory can
// hold the lock, so after a second lockDir continues without it.
func lockDir(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for range 50 {
		if unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return func() { d.Close() }, nil
}

// chgrp changes the group of a file; -1 leaves it.
func chgrp(path string, gid int) error {
	if gid < 0 {
		return nil
	}
	// The unit denies chown(2), and gives the process the default group.
	if info, err := os.Lstat(path); err == nil && info.Sys().(*syscall.Stat_t).Gid == uint32(gid) {
		return nil
	}
	return os.Lchown(path, -1, gid)
}
