package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// rootUser is the user and the group of a command whose vchatd root has started
// by hand: user 0 may read every disk, even without a capability. No system
// gives this number to a user: systemd keeps 65520 to 65533 free, Debian
// reserves 65000 to 65533. Containers have users up to 65535.
const rootUser = 65527

// maxTasks is how many processes and threads rootUser may have, the runners'
// included: a command that forks without end must not stop the machine.
const maxTasks = 256

// devices are what a command of rootUser finds in /dev: the same as in
// vchat-camera@.service. A directory comes with its contents.
var devices = []string{
	"null", "zero", "full", "random", "urandom",
	"video*", "v4l", "v4l-subdev*", "media*", "dma_heap", "bus/usb",
}

// device is a file or a directory of /dev, opened by O_PATH.
type device struct {
	name  string // in /dev
	file  *os.File
	isDir bool
}

// privateDev mounts a /dev with nothing but devices, and returns the groups
// that may use the cameras.
func privateDev() (groups []int, err error) {
	all, groups, err := openDevices()
	if err != nil {
		return nil, err
	}
	flags := uintptr(unix.MS_NOSUID | unix.MS_NOEXEC)
	if err := unix.Mount("tmpfs", "/dev", "tmpfs", flags, "mode=755,size=64k"); err != nil {
		return nil, err
	}
	for _, d := range all {
		if err := d.bind(); err != nil {
			return nil, err
		}
	}
	for i, name := range []string{"stdin", "stdout", "stderr"} {
		if err := os.Symlink(fmt.Sprintf("/proc/self/fd/%d", i), "/dev/"+name); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(os.Symlink("/proc/self/fd", "/dev/fd"), os.Mkdir("/dev/shm", 0o755)); err != nil {
		return nil, err
	}
	if err := unix.Mount("tmpfs", "/dev/shm", "tmpfs", flags|unix.MS_NODEV, "mode=1777,size=64m"); err != nil {
		return nil, err
	}
	return groups, unix.Mount("", "/dev", "", flags|unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, "")
}

// openDevices opens what will be covered. It leaves out symbolic links in /dev
// itself: they may lead anywhere.
func openDevices() (all []device, groups []int, err error) {
	for _, pattern := range devices {
		paths, _ := filepath.Glob("/dev/" + pattern) // the patterns are valid
		for _, path := range paths {
			fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
			if err != nil {
				continue // unplugged
			}
			d := device{name: path[len("/dev/"):], file: os.NewFile(uintptr(fd), path)}
			var s unix.Stat_t
			if err := unix.Fstat(fd, &s); err != nil {
				return nil, nil, err
			}
			d.isDir = s.Mode&unix.S_IFMT == unix.S_IFDIR
			if !d.isDir && s.Mode&unix.S_IFMT != unix.S_IFCHR {
				d.file.Close()
				continue
			}
			all = append(all, d)
			groups = append(groups, groupsOf(d, s)...)
		}
	}
	slices.Sort(groups)
	return all, slices.Compact(groups), nil
}

// groupsOf returns the groups other than root's that may use d or the devices
// in it.
func groupsOf(d device, s unix.Stat_t) (groups []int) {
	if !d.isDir {
		if s.Gid != 0 && s.Mode&0o060 == 0o060 {
			groups = append(groups, int(s.Gid))
		}
		return groups
	}
	if d.name != "dma_heap" {
		return nil
	}
	paths, _ := filepath.Glob("/dev/" + d.name + "/*")
	for _, path := range paths {
		if err := unix.Lstat(path, &s); err == nil && s.Mode&unix.S_IFMT == unix.S_IFCHR {
			groups = append(groups, groupsOf(device{}, s)...)
		}
	}
	return groups
}

// bind mounts the device in the new /dev.
func (d device) bind() error {
	defer d.file.Close()
	path := "/dev/" + d.name
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	var err error
	if d.isDir {
		err = os.Mkdir(path, 0o755)
	} else {
		err = os.WriteFile(path, nil, 0o600)
	}
	if err != nil {
		return err
	}
	return unix.Mount(fmt.Sprintf("/proc/self/fd/%d", d.file.Fd()), path, "", unix.MS_BIND, "")
}

// becomeUser makes this process one of rootUser and of the groups, with a
// keyring of its own.
func becomeUser(groups []int) error {
	// Of no name. Some containers refuse keyctl(2).
	_, _ = unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0)
	limit := unix.Rlimit{Cur: maxTasks, Max: maxTasks}
	if err := unix.Setrlimit(unix.RLIMIT_NPROC, &limit); err != nil {
		return err
	}
	if err := syscall.Setgroups(groups); err != nil {
		return err
	}
	if err := syscall.Setresgid(rootUser, rootUser, rootUser); err != nil {
		return err
	}
	return syscall.Setresuid(rootUser, rootUser, rootUser)
}
