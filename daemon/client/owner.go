package client

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"vchat/daemon/api"
)

// ErrUntrusted reports that the server is of another user, who could pretend to
// be vchatd: privacy mode would seem to be on, and messages would go to a
// stranger. It happens with a forgotten $VCHAT_SOCKET in /tmp.
var ErrUntrusted = errors.New("not vchatd's socket")

// serviceUser is the user of the packaged unit.
const serviceUser = "vchat"

// checkServer returns ErrUntrusted unless the process that listens on a socket
// may be vchatd.
func checkServer(conn net.Conn, socket string) error {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return err
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, credErr); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrUntrusted, socket, err)
	}
	if isTrusted(cred.Uid, socket) {
		return nil
	}
	return fmt.Errorf("%w: %q belongs to the user %s", ErrUntrusted, socket, userName(cred.Uid))
}

// isTrusted reports whether vchatd may run as a user: as root, as this user, as
// the user of the unit, or as the user who ran sudo. If the unit has another
// user, the folder of the default socket is that user's: only root can create
// folders in /run.
func isTrusted(uid uint32, socket string) bool {
	if uid == 0 || uid == uint32(os.Geteuid()) {
		return true
	}
	id := strconv.FormatUint(uint64(uid), 10)
	if os.Geteuid() == 0 && id == os.Getenv("SUDO_UID") {
		return true
	}
	if u, err := user.Lookup(serviceUser); err == nil && u.Uid == id {
		return true
	}
	if socket != api.DefaultSocket {
		return false
	}
	info, err := os.Lstat(filepath.Dir(socket))
	return err == nil && info.Sys().(*syscall.Stat_t).Uid == uid
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}
