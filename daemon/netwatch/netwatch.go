// Package netwatch hears of changes of the network from the kernel.
package netwatch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Watch calls changed when an interface goes up or down, when an address or a route comes or goes, as the kernel
// tells it (rtnetlink(7)); no privilege is needed. It returns nil at the end of ctx, or why it cannot watch.
func Watch(ctx context.Context, changed func()) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("watch the network: %w", err)
	}
	f := os.NewFile(uintptr(fd), "rtnetlink")
	defer f.Close()
	groups := uint32(unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return fmt.Errorf("watch the network: %w", err)
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("watch the network: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })()
	seen, buf := newSeen(), make([]byte, 64<<10)
	for {
		var n int
		var from unix.Sockaddr
		var errno error
		err := conn.Read(func(fd uintptr) bool {
			n, from, errno = unix.Recvfrom(int(fd), buf, 0)
			return errno != unix.EAGAIN
		})
		switch kernel, ok := from.(*unix.SockaddrNetlink); {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("watch the network: %w", err)
		case errors.Is(errno, unix.EINTR):
		case errors.Is(errno, unix.ENOBUFS): // there were more than the socket holds: something has changed
			seen = newSeen()
			changed()
		case errno != nil:
			return fmt.Errorf("watch the network: %w", errno)
		case ok && kernel.Pid != 0: // not from the kernel
		case seen.news(buf[:n]):
			changed()
		}
	}
}
