package transport

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// unwatched reads and writes a TCP connection by system calls of which the scheduler is not told: they wait for nothing, as
// the descriptor does not block. Told of them, it would wake its monitor thread for each frame, which looks every 20 µs
// whether they have come back, until all is idle again: that costs as much as the encryption.
//
// One goroutine may read and one write, at the same time. Deadlines and Close are those of the connection.
type unwatched struct {
	raw syscall.RawConn
	in  transfer
	out transfer
}

// transfer is one direction. Its step is made once, so that a call allocates nothing.
type transfer struct {
	left []byte
	done int
	err  error
	step func(fd uintptr) bool // false: to be called again when the connection is ready
}

func newUnwatched(c *net.TCPConn) (*unwatched, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	u := &unwatched{raw: raw}
	u.in.step = func(fd uintptr) bool { return u.in.move(unix.SYS_READ, fd) }
	u.out.step = func(fd uintptr) bool {
		for u.out.move(unix.SYS_WRITE, fd) {
			if u.out.err != nil || len(u.out.left) == 0 {
				return true
			}
		}
		return false
	}
	return u, nil
}

// Read is as net.Conn has it.
func (u *unwatched) Read(b []byte) (int, error) {
	n, err := u.in.run(b, "read", u.raw.Read)
	if n == 0 && err == nil && len(b) > 0 {
		err = io.EOF
	}
	return n, err
}

// Write is as net.Conn has it.
func (u *unwatched) Write(b []byte) (int, error) { return u.out.run(b, "write", u.raw.Write) }

func (t *transfer) run(b []byte, name string, until func(func(uintptr) bool) error) (int, error) {
	t.left, t.done, t.err = b, 0, nil
	err := until(t.step)
	t.left = nil
	if err == nil && t.err != nil {
		err = os.NewSyscallError(name, t.err)
	}
	return t.done, err
}

// move makes one system call; false: it would have had to wait.
func (t *transfer) move(call, fd uintptr) bool {
	for {
		n, _, errno := unix.RawSyscall(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(t.left))), uintptr(len(t.left)))
		switch errno {
		case 0:
			t.done += int(n)
			t.left = t.left[n:]
			return true
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			t.err = errno
			return true
		}
	}
}
