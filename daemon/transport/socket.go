package transport

import (
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"vchat/daemon/congestion"
)

const bbr = "bbr" // in /proc/sys/net/ipv4/tcp_available_congestion_control

// socket reads what the kernel knows about a TCP connection. For a connection
// in memory it returns zeros. It belongs to the writing goroutine. Its
// callbacks are created once, so that a call allocates nothing.
type socket struct {
	raw syscall.RawConn

	queueLength func(fd uintptr)
	queue       uint // the ioctl: SIOCOUTQ or SIOCOUTQNSD
	bytes       int

	getInfo func(fd uintptr)
	info    unix.TCPInfo
	infoOK  bool
}

func newSocket(c net.Conn) *socket {
	s := &socket{}
	if t, ok := c.(*net.TCPConn); ok {
		s.raw, _ = t.SyscallConn()
	}
	// Raw system calls, as in rawIO: these never block.
	s.queueLength = func(fd uintptr) {
		var n int32 // a C int
		_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, fd, uintptr(s.queue), uintptr(unsafe.Pointer(&n)))
		if errno == 0 {
			s.bytes = int(n)
		}
	}
	s.getInfo = func(fd uintptr) {
		size := uint32(unsafe.Sizeof(s.info))
		_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, fd, unix.IPPROTO_TCP, unix.TCP_INFO,
			uintptr(unsafe.Pointer(&s.info)), uintptr(unsafe.Pointer(&size)), 0)
		s.infoOK = errno == 0
	}
	return s
}

// TCPInfo returns what the kernel knows about the path; zero for a closed
// connection.
func (s *socket) TCPInfo() congestion.TCPInfo {
	s.info, s.infoOK = unix.TCPInfo{}, false
	if s.raw == nil || s.raw.Control(s.getInfo) != nil || !s.infoOK {
		return congestion.TCPInfo{}
	}
	i := &s.info
	inFlight := i.Unacked + i.Retrans - min(i.Unacked, i.Sacked+i.Lost)
	info := congestion.TCPInfo{
		Retransmitted: i.Total_retrans,
		Lost:          int(i.Lost - min(i.Lost, i.Retrans)),
		Recovering:    i.Lost > 0 || i.Retrans > 0 || i.Sacked > 0,
		InFlight:      int(inFlight) * int(i.Snd_mss),
		MinRTT:        time.Duration(i.Min_rtt) * time.Microsecond,
	}
	if i.Pacing_rate < 1<<62 { // all bits are set while the kernel does not pace
		info.PacingRate = float64(i.Pacing_rate)
	}
	return info
}

// useBBR selects BBR. A single lost packet does not slow it down, and radio
// links lose some all the time. With cubic, a loss of 1 % at 20 ms leaves 6
// Mbit/s of any link. BBR needs no privilege if the kernel has loaded it.
// Otherwise the default stays.
func (s *socket) useBBR() {
	if s.raw != nil {
		_ = s.raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, bbr)
		})
	}
}

// ResetBBR restarts BBR's search for the capacity of the link, from a multiple
// of the current estimate. BBR restarts only if another algorithm was selected
// in between. BenchmarkBBRReset of package congestion measures the gain.
func (s *socket) ResetBBR() {
	if s.raw == nil {
		return
	}
	_ = s.raw.Control(func(fd uintptr) {
		name, err := unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION)
		if err == nil && name == bbr {
			_ = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, "reno") // every kernel has it
			_ = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, bbr)
		}
	})
}

// Unacked returns how many bytes the kernel holds that the peer's kernel has
// not acknowledged (tcp(7), SIOCOUTQ).
func (s *socket) Unacked() int { return s.length(unix.SIOCOUTQ) }

// Unsent returns how many bytes the kernel holds and has not sent.
func (s *socket) Unsent() int { return s.length(unix.SIOCOUTQNSD) }

func (s *socket) length(queue uint) int {
	if s.raw == nil {
		return 0
	}
	s.queue, s.bytes = queue, 0
	if s.raw.Control(s.queueLength) != nil {
		return 0 // closed
	}
	return s.bytes
}
