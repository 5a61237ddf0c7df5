package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This returns the machine that the program runs on.
func This() *System {
	s := &System{
		FS: os.DirFS("/"), UID: os.Getuid(), GIDs: []int{os.Getegid()}, Release: release(),
		Now: time.Now, Run: run, PowerSave: powerSave, Synchronised: synchronised, Space: space,
	}
	if more, err := os.Getgroups(); err == nil {
		s.GIDs = append(s.GIDs, more...)
	}
	s.User = "user " + strconv.Itoa(s.UID)
	if u, err := user.Current(); err == nil {
		s.User = u.Username
	}
	return s
}

func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return runtime.GOARCH
	}
	return unix.ByteSliceToString(u.Release[:]) + " " + runtime.GOARCH
}

// run runs a program in the C locale, with bounded output.
func run(ctx context.Context, program string, args ...string) (string, int, error) {
	cmd := exec.CommandContext(ctx, beside(program), args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER=")
	cmd.WaitDelay = 100 * time.Millisecond // for a child that keeps the output open
	var out limited
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		return out.String(), exit.ExitCode(), nil
	}
	return out.String(), 0, err
}

// beside returns the path of a program that is not in $PATH, but in the
// directory of this one.
func beside(program string) string {
	self, err := os.Executable()
	if _, lookErr := exec.LookPath(program); err != nil || lookErr == nil || filepath.IsAbs(program) {
		return program
	}
	if path := filepath.Join(filepath.Dir(self), program); unix.Access(path, unix.X_OK) == nil {
		return path
	}
	return program
}

// limited keeps the first maxFile bytes.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	l.Buffer.Write(p[:min(len(p), maxFile-l.Len())])
	return len(p), nil
}

// siocgiwpower is SIOCGIWPOWER of linux/wireless.h. It is one ioctl, where
// nl80211 needs a netlink family to be looked up.
const siocgiwpower = 0x8B2D

// iwreq is struct iwreq with struct iw_param.
type iwreq struct {
	name     [unix.IFNAMSIZ]byte
	value    int32
	fixed    uint8
	disabled uint8
	flags    uint16
	_        [8]byte // the union has 16 bytes
}

func powerSave(iface string) (bool, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	var r iwreq
	if len(iface) >= len(r.name) {
		return false, syscall.ENAMETOOLONG
	}
	copy(r.name[:], iface)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), siocgiwpower,
		uintptr(unsafe.Pointer(&r))); errno != 0 {
		return false, os.NewSyscallError("SIOCGIWPOWER", errno)
	}
	return r.disabled == 0, nil
}

func synchronised() (bool, error) {
	var t unix.Timex // without modes: it only reads
	if _, err := unix.Adjtimex(&t); err != nil {
		return false, os.NewSyscallError("adjtimex", err)
	}
	return t.Status&unix.STA_UNSYNC == 0, nil
}

func space(path string) (free, size uint64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, 0, fmt.Errorf("statfs %s: %w", path, err)
	}
	return s.Bavail * uint64(s.Frsize), s.Blocks * uint64(s.Frsize), nil
}
