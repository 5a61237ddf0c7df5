package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"vchat/daemon/proctree"
)

// forkRunner starts a runner in namespaces of its own, as the user of this
// process; root's becomes rootUser. It is the first process of its process
// namespace: when it ends, the kernel kills all others. It has no terminal.
func forkRunner(hidden []string) (*Command, error) {
	if !mainCalled {
		return nil, errors.New("this program has no runner")
	}
	conn, theirs, err := proctree.SocketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	cmd := &exec.Cmd{
		Path:  "/proc/self/exe",
		Args:  append([]string{os.Args[0], namespaceArg}, hidden...),
		Stdin: theirs,
		SysProcAttr: &syscall.SysProcAttr{
			Setsid:     true,
			Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID,
		},
	}
	if uid, gid := os.Geteuid(), os.Getegid(); uid != 0 {
		a := cmd.SysProcAttr
		a.Cloneflags |= unix.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
		// For mount(2), and to drop all capabilities. They only concern the new
		// namespaces.
		a.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP}
	}
	if err := cmd.Start(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("create namespaces: %w", err)
	}
	return &Command{conn: conn, runner: cmd}, nil
}

// enterNamespace covers the hidden paths in the new namespaces and becomes the
// runner. It returns only errors.
func enterNamespace(hidden []string) error {
	if os.Getpid() != 1 { // started by hand, it would mount on the host
		return errors.New("not in a process namespace of its own")
	}
	runtime.LockOSThread() // capabilities belong to a thread
	dir, err := os.Getwd()
	if err != nil {
		dir = "/"
	}
	var groups []int
	isRoot := os.Geteuid() == 0
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if isRoot {
		if groups, err = privateDev(); err != nil {
			return fmt.Errorf("make /dev: %w", err)
		}
	}
	if err := coverAll(hidden); err != nil {
		return err
	}
	// The old working directory may be below a cover.
	if os.Chdir(dir) != nil {
		if err := os.Chdir("/"); err != nil {
			return err
		}
	}
	if err := proctree.CloseInherited(); err != nil {
		return err
	}
	if err := dropBounding(); err != nil {
		return err
	}
	if isRoot {
		if err := becomeUser(groups); err != nil {
			return fmt.Errorf("become user %d: %w", rootUser, err)
		}
	}
	if err := dropCapabilities(); err != nil {
		return err
	}
	// From here on no thread has a capability, so that nothing that the
	// command does to its runner gains one.
	err = unix.Exec("/proc/self/exe", []string{os.Args[0], runnerArg}, os.Environ())
	if isRoot && errors.Is(err, unix.EACCES) {
		return errors.New("start the runner: the file of vchatd is not executable by other users")
	}
	return fmt.Errorf("start the runner: %w", err)
}

func coverAll(hidden []string) error {
	for _, path := range hidden {
		if err := cover(path); err != nil {
			return fmt.Errorf("cover a path: %w", err) // peers see the text: no path
		}
	}
	// A /proc of this process namespace does not show the daemon.
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	return nil
}

// cover mounts an empty directory on a directory, and the null device on
// anything else. Symbolic links are followed: their target is covered. The
// kernel locks these mounts for namespaces that the command creates.
func cover(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		flags := uintptr(unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
		return unix.Mount("tmpfs", path, "tmpfs", flags, "mode=0,size=4k")
	}
	return unix.Mount(os.DevNull, path, "", unix.MS_BIND, "")
}

// dropBounding drops the capabilities that a program could gain.
func dropBounding() error {
	for c := uintptr(0); ; c++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); errors.Is(err, unix.EINVAL) {
			return nil // c is above the kernel's last one
		} else if err != nil {
			return fmt.Errorf("drop capabilities: %w", err)
		}
	}
}

// dropCapabilities drops all capabilities of this thread.
func dropCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil { // also clears the ambient set
		return fmt.Errorf("drop capabilities: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	return nil
}
