// Package netwatch reports changes of the network: interfaces, addresses and
// routes, as the kernel announces them (rtnetlink(7)).
//
// Guarantees:
//   - It needs no privilege.
//   - Messages without a change are not reported, such as the statistics of a
//     wireless interface or a renewed lifetime.
//   - After an overflow of the socket it reports a change.
//   - Its memory is bounded, whatever the kernel sends.
//
// Watch runs in the goroutine of its caller.
//
//	kernel ─ datagrams ─▶ Watch ─▶ tracker: does it matter? ─▶ changed()
package netwatch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const multicastGroups = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR |
	unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE

// Watch calls changed when an interface goes up or down, or when an address or
// a route is added or removed. It returns nil when ctx ends, or an error if it
// cannot watch. Changes come in bursts; changed must return soon.
func Watch(ctx context.Context, changed func()) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("watch network: %w", err)
	}
	f := os.NewFile(uintptr(fd), "rtnetlink")
	defer f.Close()
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: multicastGroups}); err != nil {
		return fmt.Errorf("watch network: %w", err)
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("watch network: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })()
	state, buf := newTracker(), make([]byte, 64<<10)
	for {
		var n int
		var from unix.Sockaddr
		var errno error
		err := conn.Read(func(fd uintptr) bool {
			n, from, errno = unix.Recvfrom(int(fd), buf, 0)
			return errno != unix.EAGAIN
		})
		switch sender, ok := from.(*unix.SockaddrNetlink); {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("watch network: %w", err)
		case errors.Is(errno, unix.EINTR):
		case errors.Is(errno, unix.ENOBUFS): // messages were lost
			state = newTracker()
			changed()
		case errno != nil:
			return fmt.Errorf("watch network: %w", errno)
		case ok && sender.Pid != 0: // another process sent it
		case state.update(buf[:n]):
			changed()
		}
	}
}
