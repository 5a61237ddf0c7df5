package control

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// ErrInUse is returned by Listen when another process serves the socket.
var ErrInUse = errors.New("another process serves it")

const (
	socketMode = 0o660
	backlog    = 128
	maxPath    = len(unix.RawSockaddrUnix{}.Path) - 1 // unix(7): sun_path, with its final zero byte
)

// socket is the listening socket and its place in the file system.
type socket struct {
	path     string
	listener *net.UnixListener
	file     os.FileInfo // to know it again
}

// listen makes the socket at path. Nobody can connect before its mode and group are set: between bind and listen the
// kernel refuses everybody.
func listen(path, group string, log *slog.Logger) (*socket, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("the path has %d bytes, and a unix socket's may have %d", len(path), maxPath)
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
	defer file.Close() // FileListener takes a duplicate
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	s := &socket{path: path}
	if err := s.open(fd, file, group, log); err != nil {
		os.Remove(path)
		return nil, err
	}
	return s, nil
}

func (s *socket) open(fd int, file *os.File, group string, log *slog.Logger) (err error) {
	if s.file, err = os.Lstat(s.path); err != nil {
		return err
	}
	// The group first: with the wider mode first, the group of this process would be let in for a moment.
	if err := giveTo(s.path, group); err != nil {
		log.Warn("the control socket keeps the group of this process, so only its members may use it",
			"socket", s.path, "group", group, "err", err)
	}
	if err := os.Chmod(s.path, socketMode); err != nil {
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

// remove takes the socket away, if what lies there is still this one.
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
	// The number of an inode is used again at once, so the time at which it was made is compared too.
	if err != nil || !os.SameFile(now, s.file) || !now.ModTime().Equal(s.file.ModTime()) {
		return nil
	}
	return os.Remove(s.path)
}

// removeStale makes room at path: what nobody listens on is left over from a process that was killed.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("something else than a socket is there (%s)", info.Mode())
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
		return fmt.Errorf("%w, and it is overrun: %w", ErrInUse, err)
	}
	return err
}

// lockDir keeps two processes that start at the same moment from taking each other's fresh socket for a stale one. Any
// reader of the directory could hold that lock for ever, so after a second it goes on without.
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

// giveTo gives the socket to a group, by name or number.
func giveTo(path, group string) error {
	if group == "" {
		return nil
	}
	number := group
	if _, err := strconv.ParseUint(group, 10, 31); err != nil {
		g, err := user.LookupGroup(group)
		if err != nil {
			return err
		}
		number = g.Gid
	}
	gid, err := strconv.Atoi(number)
	if err != nil {
		return fmt.Errorf("group %s: %w", group, err)
	}
	return os.Lchown(path, -1, gid)
}
