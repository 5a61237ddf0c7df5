package proctree

import (
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// SocketPair connects this process to a runner that it is about to start, by a
// unix socket of type SOCK_SEQPACKET: each write is one message. theirs is for
// the runner and is closed once that has started. The runner reads the end of
// the stream when conn is closed, also by the end of this process.
func SocketPair() (conn *net.UnixConn, theirs *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "runner"), os.NewFile(uintptr(pair[1]), "runner")
	defer ours.Close() // FileConn duplicates it
	c, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return c.(*net.UnixConn), theirs, nil
}

// CloseInherited makes the next exec of a runner close all descriptors but the
// standard ones. The daemon's own are closed already, but not those that it has
// inherited itself.
func CloseInherited() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}
