package control

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// ErrInherited reports sockets from systemd that are not one control socket.
var ErrInherited = errors.New("inherited sockets refused")

// Inherited returns the control socket that systemd has opened for this process
// (sd_listen_fds(3)), or nil. It clears the environment variables, so that no
// child takes the socket for its own. Errors: ErrInherited.
func Inherited() (*net.UnixListener, error) {
	files := activation.Files(true)
	defer func() {
		for _, f := range files {
			f.Close() // FileListener has duplicated it
		}
	}()
	switch len(files) {
	case 0:
		return nil, nil
	case 1:
		l, err := inherit(files[0])
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrInherited, files[0].Name(), err)
		}
		return l, nil
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	return nil, fmt.Errorf("%w: got %d, want one: %s", ErrInherited, len(files), strings.Join(names, ", "))
}

// inherit returns a listener for a file that is a listening unix stream socket
// with a path. Anything else would let strangers in, such as a TCP port.
func inherit(f *os.File) (*net.UnixListener, error) {
	fd := int(f.Fd())
	for _, want := range []struct {
		option, value int
		what          string
	}{
		{unix.SO_DOMAIN, unix.AF_UNIX, "a unix socket"},
		{unix.SO_TYPE, unix.SOCK_STREAM, "a stream socket"},
		{unix.SO_ACCEPTCONN, 1, "a listening socket"},
	} {
		value, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, want.option)
		if err != nil {
			return nil, os.NewSyscallError("getsockopt", err)
		}
		if value != want.value {
			return nil, errors.New("not " + want.what)
		}
	}
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	if path := l.Addr().String(); !filepath.IsAbs(path) { // an abstract one has no mode: any user may connect
		l.Close()
		return nil, fmt.Errorf("%q is not a path", path)
	}
	return l.(*net.UnixListener), nil
}

// adopt returns a duplicate of the inherited listener and gives its file the
// mode and the groups of the configuration.
func (s *Server) adopt(log *slog.Logger) (*net.UnixListener, error) {
	path := s.inherited.Addr().String()
	switch info, err := os.Lstat(path); {
	case err != nil:
		log.Warn("control socket of systemd is gone: restart vchatd.socket", "err", err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("%s is not a socket (%s)", path, info.Mode())
	default:
		// Rights are checked for each request in any case.
		if err := setRights(path, s.groups, log); err != nil {
			log.Warn("control socket mode not set: set SocketUser= of vchatd.socket to the user of vchatd",
				"socket", path, "err", err)
		}
	}
	f, err := s.inherited.File()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	return l.(*net.UnixListener), nil
}

// isSocket reports whether two paths are the same existing file.
func isSocket(a, b string) bool {
	infoA, errA := os.Lstat(a)
	infoB, errB := os.Lstat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}
