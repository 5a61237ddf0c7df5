package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"vchat/daemon/api"
	"vchat/daemon/client"
)

// The groups of the control socket, unless the daemon names others.
const (
	defaultGroup      = "vchat"
	defaultAdminGroup = "vchat-admin"
)

// membership is how a user belongs to a group.
type membership int

const (
	isNoMember membership = iota
	isStaleMember
	isMember
	noSuchGroup
)

// member returns the membership of the user. A program has the groups of its
// login: later changes need a new one.
func (f *facts) member(all []group, name string) membership {
	g := groupNamed(all, name)
	switch {
	case g == nil:
		return noSuchGroup
	case slices.Contains(f.GIDs, g.gid):
		return isMember
	case slices.Contains(g.members, f.User):
		return isStaleMember
	}
	return isNoMember
}

func (f *facts) groups() []group {
	text, err := f.read("/etc/group")
	if err != nil {
		return nil
	}
	return parseGroups(text)
}

// checkUser reports what the user may do, and what to do to get more.
func (f *facts) checkUser(context.Context) []Finding {
	finding := func(level Level, message, hint string) []Finding {
		return []Finding{{Level: level, Subject: "user", Name: f.User, Message: message, Hint: hint}}
	}
	if f.UID == 0 {
		return finding(OK, "may do everything", "")
	}
	groupName, admin, right := defaultGroup, defaultAdminGroup, api.Right("")
	if d := f.diagnosis; d != nil {
		groupName, admin, right = d.Group, d.AdminGroup, d.Right
	}
	all := f.groups()
	join := "sudo usermod -aG " + groupName
	if admin != "" {
		join += "," + admin
	}
	join += " $USER, then log out and in again"
	const again = "log out and in again, or reboot"
	switch {
	case right == api.RightAdmin:
		return finding(OK, "may use calls and administer this device", "")
	case right == api.RightCall && f.member(all, admin) == isStaleMember:
		return finding(Note, "joined the group "+admin+" after this login began", again)
	case right == api.RightCall:
		return finding(OK, "may use calls, but not administer this device (pair, set the camera)", join)
	case right == api.RightWatch:
		return finding(Note, "may watch, but not use calls", join)
	}
	switch f.member(all, groupName) {
	case isMember:
		return finding(OK, "is in the group "+groupName, "")
	case noSuchGroup:
		return finding(Problem, "the group "+groupName+" does not exist", "install the package vchat, or run: "+
			"sudo systemd-sysusers")
	case isStaleMember:
		return finding(Problem, "joined the group "+groupName+" after this login began, so it does not count yet",
			again)
	}
	if f.member(all, admin) == isMember {
		return finding(OK, "is in the group "+admin, "")
	}
	return finding(Problem, "is not in the group "+groupName, join)
}

// checkSocket reports on the file of the control socket.
func (f *facts) checkSocket(context.Context) []Finding {
	finding := func(level Level, message, hint string) []Finding {
		return []Finding{{Level: level, Subject: "socket", Name: f.socket, Message: message, Hint: hint}}
	}
	info, err := f.stat(f.socket)
	rights := ""
	if err == nil {
		rights = info.Mode().String()
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			rights += " group " + groupName(f.groups(), int(st.Gid))
		}
	}
	switch {
	case f.running():
		return finding(OK, strings.TrimSpace("answers "+rights), "")
	case errors.Is(f.err, client.ErrUntrusted):
		return finding(Problem, f.err.Error(), "another program serves it: check --socket and $VCHAT_SOCKET")
	case errors.Is(f.err, client.ErrPermission) || errors.Is(err, fs.ErrPermission):
		return finding(Problem, "you may not connect: "+rights,
			"see user above; a new group counts after the next login")
	case errors.Is(err, fs.ErrNotExist):
		return finding(Skipped, "does not exist: vchatd makes it when it starts", "")
	case err != nil:
		return finding(Problem, err.Error(), "")
	case info.Mode().Type() != fs.ModeSocket:
		return finding(Problem, fmt.Sprintf("is no socket (%s)", rights), "remove it, then restart vchatd")
	case errors.Is(f.err, syscall.ECONNREFUSED):
		return finding(Skipped, "nothing listens on it: vchatd has ended without removing it", "")
	}
	return finding(Problem, f.err.Error(), "sudo systemctl restart vchatd")
}
