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

// waiter waits for a few descriptors through the runtime's poller, which parks
// a goroutine. A blocking poll(2) parks a thread: for each frame the scheduler
// would notice the block, start another thread in its place, and switch back.
//
// The descriptors are in their own epoll. Only that epoll is added to the
// runtime's poller, for two reasons. videobuf2 starts its read() emulation if
// it is polled before it has buffers. And the runtime's poller removes a
// descriptor only on close.
//
// A waiter is for one goroutine at a time.
type waiter struct {
	epoll  int
	file   *os.File // epoll, as the runtime knows it
	conn   syscall.RawConn
	check  func(uintptr) bool // calls ready; made once, so that wait does not allocate
	fds    []int
	events [2]unix.EpollEvent
	count  int // valid events
	err    error
}

func newWaiter() (*waiter, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil { // os.NewFile polls only nonblocking descriptors
		unix.Close(fd)
		return nil, err
	}
	w := &waiter{epoll: fd, file: os.NewFile(uintptr(fd), "epoll")}
	if w.conn, err = w.file.SyscallConn(); err == nil {
		err = w.file.SetReadDeadline(time.Time{}) // fails if the poller rejected the descriptor
	}
	if err != nil {
		return nil, errors.Join(err, w.file.Close())
	}
	w.check = func(uintptr) bool { return w.ready() }
	return w, nil
}

// add adds fd to the wait until drop. It does nothing if fd is already in.
func (w *waiter) add(fd int) error {
	if slices.Contains(w.fds, fd) {
		return nil
	}
	w.fds = append(w.fds, fd)
	return unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

// drop removes fd. It does nothing if fd is not in.
func (w *waiter) drop(fd int) {
	if i := slices.Index(w.fds, fd); i >= 0 {
		w.fds = slices.Delete(w.fds, i, i+1)
		_ = unix.EpollCtl(w.epoll, unix.EPOLL_CTL_DEL, fd, nil) // fails only if fd is not in
	}
}

// wait returns the pending events, or none after d. A negative d has no end.
// The slice is valid until the next wait.
func (w *waiter) wait(d time.Duration) ([]unix.EpollEvent, error) {
	if d == 0 {
		w.ready()
		return w.events[:w.count], w.err
	}
	end := time.Time{}
	if d > 0 {
		end = time.Now().Add(d)
	}
	err := w.file.SetReadDeadline(end)
	if err == nil {
		err = w.conn.Read(w.check)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.ready() // after a very short d Read has not called check
		err = nil
	}
	if err != nil {
		return nil, err
	}
	return w.events[:w.count], w.err
}

// ready stores the pending events. It reports whether the wait is over.
func (w *waiter) ready() bool {
	w.count, w.err = uapi.EpollWait(w.epoll, w.events[:])
	return w.count > 0 || w.err != nil
}

func (w *waiter) close() error { return w.file.Close() }
