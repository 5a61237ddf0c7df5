package control

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/user"
	"slices"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"vchat/daemon/api"
)

// right is what a client needs to use a route. Each right includes the ones
// before it.
type right int

const (
	noRight    right = iota
	rightWatch       // see the state, the events and the frames
	rightCall        // act in calls and turn the camera off and on
	rightPair        // answer a device that wants to pair, for a kiosk: it cannot begin a pairing
	rightAdmin       // change this device: its peers, its camera settings
)

func (r right) String() string {
	switch r {
	case rightWatch:
		return "watch this device"
	case rightCall:
		return "use calls"
	case rightPair:
		return "answer pairings"
	case rightAdmin:
		return "administer this device"
	}
	return "nothing"
}

// key returns the right for programs.
func (r right) key() api.Right {
	switch r {
	case rightWatch:
		return api.RightWatch
	case rightCall:
		return api.RightCall
	case rightAdmin:
		return api.RightAdmin
	}
	return ""
}

// groups has the groups that give rights, as numbers. -1 is no group.
type groups struct{ watch, call, pair, admin int }

// lookupGroups logs a group that does not exist, and leaves it out.
func lookupGroups(cfg Config, log *slog.Logger) groups {
	find := func(name string) int {
		gid, err := groupID(name)
		if err != nil {
			log.Info("group of the control socket not found", "group", name)
		}
		return gid
	}
	g := groups{watch: find(cfg.WatchGroup), call: os.Getegid(), pair: find(cfg.PairGroup), admin: find(cfg.AdminGroup)}
	if cfg.Group != "" {
		g.call = find(cfg.Group)
	}
	return g
}

// others returns the groups that may connect besides that of the socket.
func (g groups) others() (gids []int) {
	for _, gid := range []int{g.watch, g.pair, g.admin} {
		if gid >= 0 && gid != g.call && !slices.Contains(gids, gid) {
			gids = append(gids, gid)
		}
	}
	return gids
}

// groupID returns the number of a group, which is a name or a number. It
// returns -1 for "".
func groupID(group string) (int, error) {
	if group == "" {
		return -1, nil
	}
	number := group
	if _, err := strconv.ParseUint(group, 10, 31); err != nil {
		g, err := user.LookupGroup(group)
		if err != nil {
			return -1, err
		}
		number = g.Gid
	}
	gid, err := strconv.Atoi(number)
	if err != nil {
		return -1, fmt.Errorf("group %s: %w", group, err)
	}
	return gid, nil
}

// of returns the right of a client. The user of the daemon and root have every
// right; others have those of their groups.
func (g groups) of(c client) right {
	in := func(gid int) bool { return gid >= 0 && slices.Contains(c.gids, uint32(gid)) }
	switch {
	case c.uid == 0, c.uid == os.Geteuid(), in(g.admin):
		return rightAdmin
	case in(g.pair):
		return rightPair
	case in(g.call):
		return rightCall
	case in(g.watch):
		return rightWatch
	}
	return noRight
}

// refusal returns the error for a client without the right.
func (s *Server) refusal(needed right) error {
	group := s.cfg.Group
	switch needed {
	case rightPair:
		group = s.cfg.PairGroup
	case rightAdmin:
		group = s.cfg.AdminGroup
	}
	hint := "use sudo"
	if _, err := user.LookupGroup(group); err == nil {
		hint = fmt.Sprintf("join the group %s (sudo usermod -aG %s $USER), then log in again; or use sudo",
			group, group)
	}
	return &api.Error{Kind: api.NotPermitted, Message: "not permitted to " + needed.String(), Hint: hint}
}

// rights returns what a client with the right may do.
func (s *Server) rights(r right) api.Rights {
	all := api.Rights{
		Watch: r >= rightWatch, Call: r >= rightCall, Pair: r >= rightPair, Administer: r >= rightAdmin,
		Groups: map[string]string{},
	}
	for name, group := range map[string]string{"watch": s.cfg.WatchGroup, "call": s.cfg.Group,
		"pair": s.cfg.PairGroup, "administer": s.cfg.AdminGroup} {
		if group != "" {
			all.Groups[name] = group
		}
	}
	return all
}

// client is the process at the other end, as the kernel knew it when it
// connected.
type client struct {
	uid  int // -1: unknown
	gid  int
	pid  int
	gids []uint32 // all its groups
}

func clientOf(c *net.UnixConn) client {
	unknown := client{uid: -1, gid: -1}
	raw, err := c.SyscallConn()
	if err != nil {
		return unknown
	}
	var cred *unix.Ucred
	var more []uint32
	_ = raw.Control(func(fd uintptr) {
		cred, _ = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		more = peerGroups(fd)
	})
	if cred == nil {
		return unknown
	}
	return client{uid: int(cred.Uid), gid: int(cred.Gid), pid: int(cred.Pid), gids: append(more, cred.Gid)}
}

// peerGroups returns the supplementary groups of the process at the other end;
// none on a kernel before 4.13.
func peerGroups(fd uintptr) []uint32 {
	for b := make([]byte, 4*64); ; b = make([]byte, 2*len(b)) {
		size := uint32(len(b))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&size)), 0)
		if errno == unix.ERANGE && len(b) < 4<<16 { // the kernel's limit, NGROUPS_MAX
			continue
		}
		if errno != 0 {
			return nil
		}
		var gids []uint32
		for b = b[:size]; len(b) >= 4; b = b[4:] {
			gids = append(gids, binary.NativeEndian.Uint32(b))
		}
		return gids
	}
}
