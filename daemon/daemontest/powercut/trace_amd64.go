package powercut

import "golang.org/x/sys/unix"

// atForm replaces a system call that other architectures lack by its form with
// directories.
func atForm(number uint64, a []uint64) (uint64, []uint64) {
	const cwd = unix.AT_FDCWD & (1<<64 - 1)
	switch number {
	case unix.SYS_OPEN:
		return unix.SYS_OPENAT, []uint64{cwd, a[0], a[1], a[2]}
	case unix.SYS_CREAT:
		return unix.SYS_OPENAT, []uint64{cwd, a[0], unix.O_CREAT | unix.O_WRONLY | unix.O_TRUNC, a[1]}
	case unix.SYS_RENAME:
		return unix.SYS_RENAMEAT, []uint64{cwd, a[0], cwd, a[1]}
	case unix.SYS_LINK:
		return unix.SYS_LINKAT, []uint64{cwd, a[0], cwd, a[1]}
	case unix.SYS_UNLINK, unix.SYS_RMDIR:
		return unix.SYS_UNLINKAT, []uint64{cwd, a[0]}
	case unix.SYS_MKDIR:
		return unix.SYS_MKDIRAT, []uint64{cwd, a[0], a[1]}
	case unix.SYS_CHMOD:
		return unix.SYS_FCHMODAT, []uint64{cwd, a[0], a[1]}
	case unix.SYS_SYMLINK:
		return unix.SYS_SYMLINKAT, []uint64{a[0], cwd, a[1]}
	case unix.SYS_MKNOD:
		return unix.SYS_MKNODAT, []uint64{cwd, a[0], a[1]}
	}
	return number, a
}
