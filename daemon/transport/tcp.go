package transport

import (
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"vchat/daemon/congestion"
)

// Socket asks the kernel about a connection. The zero Socket, of a connection in memory, knows nothing. It is the writing
// goroutine's, and allocates nothing where it is asked for each frame.
type Socket struct {
	raw  syscall.RawConn
	ask  func(fd uintptr)
	what uint
	held int

	learn func(fd uintptr)
	info  unix.TCPInfo
	whole bool // info is
}

func NewSocket(c net.Conn) *Socket {
	s := &Socket{}
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
	s.learn = func(fd uintptr) {
		size := uint32(unsafe.Sizeof(s.info))
		_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, fd, unix.IPPROTO_TCP, unix.TCP_INFO,
			uintptr(unsafe.Pointer(&s.info)), uintptr(unsafe.Pointer(&size)), 0)
		s.whole = errno == 0
	}
	return s
}

// TCPInfo asks for all of it at once.
func (s *Socket) TCPInfo() (f congestion.TCPInfo) {
	s.info, s.whole = unix.TCPInfo{}, false
	if s.raw == nil || s.raw.Control(s.learn) != nil || !s.whole {
		return f
	}
	i := &s.info
	f = congestion.TCPInfo{Retransmitted: i.Total_retrans, Lost: int(i.Lost - min(i.Lost, i.Retrans)), Recovering: i.Lost > 0 || i.Retrans > 0 || i.Sacked > 0,
		InFlight: int(i.Unacked+i.Retrans-min(i.Unacked, i.Sacked+i.Lost)) * int(i.Snd_mss), MinRTT: time.Duration(i.Min_rtt) * time.Microsecond}
	if i.Pacing_rate < 1<<62 { // as it is while there is none
		f.PacingRate = float64(i.Pacing_rate)
	}
	return f
}

// ResetBBR lets BBR search again for what the link carries, from a multiple of what it knows. It does so only where another
// algorithm was there meanwhile.
func (s *Socket) ResetBBR() {
	if s.raw == nil {
		return
	}
	_ = s.raw.Control(func(fd uintptr) {
		if is, err := unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION); err == nil && is == bbr {
			_ = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, "reno") // which is everywhere
			_ = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, bbr)
		}
	})
}

const bbr = "bbr"

// Steady asks for a congestion control that is not thrown back by each lost packet, as radio links lose some all the time:
// with cubic, one in a hundred at 20 ms leaves 6 Mbit/s of any link. BBR is there without privileges where the kernel has
// it loaded; where not, the default stays.
func (s *Socket) Steady() {
	if s.raw != nil {
		_ = s.raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, bbr)
		})
	}
}

// Unacked is how many bytes the kernel holds that have not arrived at the other kernel (tcp(7), SIOCOUTQ).
func (s *Socket) Unacked() int { return s.count(unix.SIOCOUTQ) }

// Unsent is how many it holds that it has not sent.
func (s *Socket) Unsent() int { return s.count(unix.SIOCOUTQNSD) }

func (s *Socket) count(what uint) int {
	if s.raw == nil {
		return 0
	}
	s.what, s.held = what, 0
	if s.raw.Control(s.ask) != nil {
		return 0 // it is closed
	}
	return s.held
}
