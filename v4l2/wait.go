package v4l2

import (
	"errors"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"vchat/v4l2/internal/uapi"
)

// waiter waits for a few descriptors by the runtime's poller, which parks a goroutine. A blocking poll(2) parks a thread: for
// each frame the scheduler would find out that it blocks, put another thread in its place, and change them back.
//
// The descriptors are in an epoll of their own, and that alone is handed to the runtime: drivers must not be polled before
// they have buffers (videobuf2 starts its emulation of read() then), and from the runtime's poller nothing can be taken out
// but by closing it. It is for one goroutine.
type waiter struct {
	epoll int
	file  *os.File // the same, as the runtime knows it
	raw   syscall.RawConn
	look  func(uintptr) bool // made once, so that a wait allocates nothing
	in    []int              // descriptors that are waited for
	seen  [2]unix.EpollEvent
	n     int // of seen
	err   error
}

func newWaiter() (*waiter, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil { // else os takes it for a file that never blocks
		unix.Close(fd)
		return nil, err
	}
	w := &waiter{epoll: fd, file: os.NewFile(uintptr(fd), "epoll")}
	if w.raw, err = w.file.SyscallConn(); err == nil {
		err = w.file.SetReadDeadline(time.Time{}) // it fails where the poller has refused it
	}
	if err != nil {
		return nil, errors.Join(err, w.file.Close())
	}
	w.look = func(uintptr) bool { return w.ready() }
	return w, nil
}

// add has fd waited for until drop.
func (w *waiter) add(fd int) error {
	if slices.Contains(w.in, fd) {
		return nil
	}
	w.in = append(w.in, fd)
	return unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

func (w *waiter) drop(fd int) {
	if i := slices.Index(w.in, fd); i >= 0 {
		w.in = slices.Delete(w.in, i, i+1)
		_ = unix.EpollCtl(w.epoll, unix.EPOLL_CTL_DEL, fd, nil) // it fails only where there is none
	}
}

// wait gives what is the matter with which descriptor: nothing, if that does not change for d (below 0: no end).
func (w *waiter) wait(d time.Duration) ([]unix.EpollEvent, error) {
	if d == 0 {
		w.ready()
		return w.seen[:w.n], w.err
	}
	end := time.Time{}
	if d > 0 {
		end = time.Now().Add(d)
	}
	err := w.file.SetReadDeadline(end)
	if err == nil {
		err = w.raw.Read(w.look)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.ready() // where d is short it has not looked even once
		err = nil
	}
	if err != nil {
		return nil, err
	}
	return w.seen[:w.n], w.err
}

func (w *waiter) ready() bool {
	w.n, w.err = uapi.EpollWait(w.epoll, w.seen[:])
	return w.n > 0 || w.err != nil
}

func (w *waiter) close() error { return w.file.Close() }
