package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// follow hears of changes of the network. A container host has storms of them: the first is acted on at once, what comes
// then only at the end of a pause that grows with the storm.
func (ls *Links) follow(ctx context.Context) {
	changes := make(chan struct{}, 1)
	ls.work.Go(func() {
		err := ls.cfg.Network(ctx, func() {
			poke(changes)
		})
		if err != nil && ctx.Err() == nil {
			ls.cfg.Log.Info("changes of the network go unnoticed; lost links are noticed by their silence", "err", err)
		}
	})
	pause, last := newBackoff(50*time.Millisecond, 2*time.Second), time.Time{}
	for {
		select {
		case <-changes:
		case <-ctx.Done():
			return
		}
		if time.Since(last) > calm {
			pause.reset()
		}
		last = time.Now()
		ls.networkChanged()
		sleep(ctx, pause.next())
	}
}

// calm is how long nothing must have happened before the next change is one by itself.
const calm = 5 * time.Second

func (ls *Links) networkChanged() {
	ls.cfg.Log.Debug("the network has changed")
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, p := range ls.peers {
		p.moved()
	}
}

// WatchNetwork calls changed when an interface goes up or down, when an address or a route comes or goes, as the kernel
// tells it (rtnetlink(7)); no privilege is needed. It returns nil at the end of ctx, or why it cannot watch.
func WatchNetwork(ctx context.Context, changed func()) error {
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

// zone gives the number of an interface that an IPv6 address is bound to, by name or number; 0 for none.
func zone(name string) uint32 {
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n)
	}
	if i, err := net.InterfaceByName(name); err == nil {
		return uint32(i.Index)
	}
	return 0
}
