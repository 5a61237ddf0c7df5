package web

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/user"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// admission decides which connections the page accepts. Every user of the
// machine can connect to loopback, and can read in the list of processes how
// the browser was started. So the kernel is asked whose socket is at the other
// end, before a byte is read. An attacker who is faster than the browser gains
// nothing.
//
// Admitted are this user, root, and the user who ran vchatctl through sudo: the
// browser, or the sshd of ssh -L, is that user's. Flatpak and Snap run browsers
// as the user who started them. If the kernel does not say whose socket it is,
// the connection is refused.
type admission struct {
	users   map[uint32]bool
	lookup  lookup
	refused func(error)
}

// lookup returns the user id of the socket from local to remote.
type lookup func(local, remote netip.AddrPort) (uid uint32, err error)

func newAdmission(l net.Listener, refused func(error)) admission {
	a := admission{users: map[uint32]bool{0: true, uint32(os.Geteuid()): true}, lookup: newLookup(l), refused: refused}
	if uid, err := strconv.ParseUint(os.Getenv("SUDO_UID"), 10, 32); err == nil {
		a.users[uint32(uid)] = true
	}
	return a
}

// admit is the admit function of a connlimit.Listener.
func (a admission) admit(c net.Conn) (owner string, ok bool) {
	local, peer := c.LocalAddr().(*net.TCPAddr).AddrPort(), c.RemoteAddr().(*net.TCPAddr).AddrPort()
	uid, err := a.lookup(peer, local)
	if err == nil && !a.users[uid] {
		err = fmt.Errorf("another user (%s)", userName(uid))
	}
	// A closed socket needs no answer.
	if err != nil && !errors.Is(err, errNoOwner) && a.refused != nil {
		a.refused(err)
	}
	return strconv.FormatUint(uint64(uid), 10), err == nil
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "uid " + id
}

// errNoOwner reports that the other end has closed its socket. The kernel may
// still list it, as root's.
var errNoOwner = errors.New("a program that has closed it")

// newLookup returns diagUser if the kernel has it. It takes the same time for
// any number of sockets. It tries it with a connection to l.
func newLookup(l net.Listener) lookup {
	c, err := net.Dial("tcp4", l.Addr().String())
	if err == nil {
		defer c.Close()
		local, remote := c.LocalAddr().(*net.TCPAddr).AddrPort(), c.RemoteAddr().(*net.TCPAddr).AddrPort()
		if _, err = diagUser(local, remote); err == nil {
			return diagUser
		}
	}
	return procUser
}

// From linux/inet_diag.h, linux/sock_diag.h and net/tcp_states.h.
const (
	sockDiagByFamily = 20
	tcpEstablished   = 1
	diagRequestSize  = 56 // inet_diag_req_v2
	diagAnswerSize   = 72 // inet_diag_msg
)

// diagUser asks the kernel for the owner of one socket, from local to remote:
// sock_diag(7).
func diagUser(local, remote netip.AddrPort) (uint32, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	kernel := &unix.SockaddrNetlink{Family: unix.AF_NETLINK}
	if err := unix.Sendto(fd, diagRequest(local, remote), 0, kernel); err != nil {
		return 0, os.NewSyscallError("sendto", err)
	}
	b := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, b, 0) // the kernel has answered in sendto
	if err != nil {
		return 0, os.NewSyscallError("recvfrom", err)
	}
	return parseDiag(b[:n])
}

// parseDiag returns the user id in an answer of sock_diag(7).
func parseDiag(b []byte) (uint32, error) {
	if len(b) < unix.SizeofNlMsghdr+4 {
		return 0, errors.New("sock_diag: short answer")
	}
	switch binary.NativeEndian.Uint16(b[4:]) {
	case unix.NLMSG_ERROR:
		errno := unix.Errno(-int32(binary.NativeEndian.Uint32(b[unix.SizeofNlMsghdr:])))
		if errno == unix.ENOENT {
			return 0, errNoOwner
		}
		return 0, fmt.Errorf("sock_diag: %w", errno)
	case sockDiagByFamily:
		if len(b) >= unix.SizeofNlMsghdr+diagAnswerSize {
			m := b[unix.SizeofNlMsghdr:]
			return ownerOf(m[1], binary.NativeEndian.Uint32(m[64:]), uint64(binary.NativeEndian.Uint32(m[68:])))
		}
	}
	return 0, errors.New("sock_diag: invalid answer")
}

func diagRequest(local, remote netip.AddrPort) []byte {
	b := make([]byte, unix.SizeofNlMsghdr+diagRequestSize)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], sockDiagByFamily)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST)
	r := b[unix.SizeofNlMsghdr:]
	r[0], r[1] = unix.AF_INET, unix.IPPROTO_TCP // also finds an IPv6 socket with an IPv4-mapped address
	binary.NativeEndian.PutUint32(r[4:], 1<<tcpEstablished)
	binary.BigEndian.PutUint16(r[8:], local.Port())
	binary.BigEndian.PutUint16(r[10:], remote.Port())
	from, to := local.Addr().Unmap().As4(), remote.Addr().Unmap().As4()
	copy(r[12:], from[:])
	copy(r[28:], to[:])
	binary.NativeEndian.PutUint64(r[48:], 1<<64-1) // any cookie
	return b
}

// ownerOf returns the user of a socket. A closed one has no inode, and the user
// id 0.
func ownerOf(state byte, uid uint32, inode uint64) (uint32, error) {
	if state != tcpEstablished || inode == 0 {
		return 0, errNoOwner
	}
	return uid, nil
}

// procUser finds the owner of a socket, from local to remote, in the tables of
// /proc.
func procUser(local, remote netip.AddrPort) (uint32, error) {
	for _, name := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		table, err := os.ReadFile(name)
		if err != nil {
			continue // without IPv6 there is no tcp6
		}
		if uid, found, err := parseTable(string(table), local, remote); found {
			return uid, err
		}
	}
	return 0, errNoOwner
}

// parseTable finds the owner of a socket in a table of proc_pid_net(5).
func parseTable(table string, local, remote netip.AddrPort) (uid uint32, found bool, err error) {
	ends := procAddr(local) + " " + procAddr(remote)
	mapped := procMapped(local) + " " + procMapped(remote)
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 10 || f[1]+" "+f[2] != ends && f[1]+" "+f[2] != mapped {
			continue
		}
		state, err1 := strconv.ParseUint(f[3], 16, 8)
		user, err2 := strconv.ParseUint(f[7], 10, 32)
		inode, err3 := strconv.ParseUint(f[9], 10, 64)
		if err := errors.Join(err1, err2, err3); err != nil {
			return 0, true, fmt.Errorf("parse table of sockets: %w", err)
		}
		uid, err = ownerOf(byte(state), uint32(user), inode)
		return uid, true, err
	}
	return 0, false, nil
}

// procAddr returns an IPv4 address and port as in /proc/net/tcp: the address is
// a number in the byte order of the machine.
func procAddr(a netip.AddrPort) string {
	b := a.Addr().Unmap().As4()
	return fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(b[:]), a.Port())
}

// procMapped returns it as in /proc/net/tcp6.
func procMapped(a netip.AddrPort) string {
	prefix := fmt.Sprintf("%08X", binary.NativeEndian.Uint32([]byte{0, 0, 0xff, 0xff}))
	return "0000000000000000" + prefix + procAddr(a)
}
