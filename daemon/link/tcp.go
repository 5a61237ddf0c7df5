package link

import (
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket asks the kernel about a connection. The zero socket, of a connection in memory, knows nothing. It is the writing
// goroutine's, and allocates nothing where it is asked for each picture.
type socket struct {
	raw  syscall.RawConn
	ask  func(fd uintptr)
	what uint
	held int
}

func newSocket(c net.Conn) *socket {
	s := &socket{}
	if t, ok := c.(*net.TCPConn); ok {
		s.raw, _ = t.SyscallConn()
	}
	s.ask = func(fd uintptr) {
		var held int32 // as the kernel has it, also where an int is longer
		// A call that waits for nothing, so the scheduler is not told: see unwatched.
		if _, _, errno := unix.RawSyscall(unix.SYS_IOCTL, fd, uintptr(s.what), uintptr(unsafe.Pointer(&held))); errno == 0 {
			s.held = int(held)
		}
	}
	return s
}

// steady asks for a congestion control that is not thrown back by each lost packet, as radio links lose some all the time:
// with cubic, one in a hundred at 20 ms leaves 6 Mbit/s of any link. BBR is there without privileges where the kernel has
// it loaded; where not, the default stays.
func (s *socket) steady() {
	if s.raw != nil {
		_ = s.raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, "bbr")
		})
	}
}

// queued is how many bytes the kernel holds that have not arrived at the other kernel (tcp(7), SIOCOUTQ).
func (s *socket) queued() int { return s.count(unix.SIOCOUTQ) }

// unsent is how many it holds that it has not sent.
func (s *socket) unsent() int { return s.count(unix.SIOCOUTQNSD) }

func (s *socket) count(what uint) int {
	if s.raw == nil {
		return 0
	}
	s.what, s.held = what, 0
	if s.raw.Control(s.ask) != nil {
		return 0 // it is closed
	}
	return s.held
}
