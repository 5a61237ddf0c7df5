package transport

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawIO reads and writes a TCP connection with system calls that the Go
// scheduler does not see. The descriptor is nonblocking, so they return at
// once. A call that the scheduler sees wakes its monitor thread, which then
// polls every 20 µs until the program is idle again. BenchmarkRawIO, 30 frames
// of 100 KB a second over loopback TLS: 0.85 of the CPU time, 0.8 of the
// context switches.
//
// One goroutine may read and one may write at the same time. Deadlines and
// Close of the connection apply.
type rawIO struct {
	conn syscall.RawConn
	in   direction
	out  direction
}

// direction is the state of reading or of writing. Its step is created once, so
// that a call allocates nothing.
type direction struct {
	left []byte
	done int
	err  error
	step func(fd uintptr) bool // false: call it again when the descriptor is ready
}

func newRawIO(c *net.TCPConn) (*rawIO, error) {
	conn, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	r := &rawIO{conn: conn}
	r.in.step = func(fd uintptr) bool { return r.in.syscall(unix.SYS_READ, fd) }
	r.out.step = func(fd uintptr) bool {
		for r.out.syscall(unix.SYS_WRITE, fd) {
			if r.out.err != nil || len(r.out.left) == 0 {
				return true
			}
		}
		return false
	}
	return r, nil
}

// Read follows the contract of net.Conn.
func (r *rawIO) Read(b []byte) (int, error) {
	n, err := r.in.run(b, "read", r.conn.Read)
	if n == 0 && err == nil && len(b) > 0 {
		err = io.EOF
	}
	return n, err
}

// Write follows the contract of net.Conn.
func (r *rawIO) Write(b []byte) (int, error) { return r.out.run(b, "write", r.conn.Write) }

// run calls step through wait, which parks the goroutine while the descriptor
// is not ready.
func (d *direction) run(b []byte, name string, wait func(func(uintptr) bool) error) (int, error) {
	d.left, d.done, d.err = b, 0, nil
	err := wait(d.step)
	d.left = nil
	if err == nil && d.err != nil {
		err = os.NewSyscallError(name, d.err)
	}
	return d.done, err
}

// syscall makes one system call. It returns false if the call would block.
func (d *direction) syscall(trap, fd uintptr) bool {
	for {
		n, _, errno := unix.RawSyscall(trap, fd,
			uintptr(unsafe.Pointer(unsafe.SliceData(d.left))), uintptr(len(d.left)))
		switch errno {
		case 0:
			d.done += int(n)
			d.left = d.left[n:]
			return true
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			d.err = errno
			return true
		}
	}
}
