package daemon

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/identity"
	"vchat/daemon/smallfile"
)

// lockFile is the name of the file in the state directory that a running
// daemon locks.
const lockFile = "lock"

// openState loads the key in the state directory, or creates both. It refuses a
// directory that others may change. Errors: ErrNoKey, ErrState, ErrUnavailable.
func openState(dir string) (id *identity.Identity, created bool, err error) {
	if err := refusedDir(smallfile.CheckDir(dir)); err != nil {
		return nil, false, err
	}
	id, err = identity.Load(dir)
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return id, false, keyError(err)
	}
	if err = os.MkdirAll(dir, 0o700); err == nil {
		if err := refusedDir(smallfile.CheckDir(dir)); err != nil {
			return nil, false, err
		}
		id, err = identity.LoadOrCreate(dir)
	}
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return nil, false, fmt.Errorf(
			"%w: state directory %s: %w: make it writable for vchatd, or choose another state_dir",
			ErrNoKey, dir, errno)
	}
	return id, true, keyError(err)
}

// refusedDir returns ErrState for the errors of smallfile.CheckDir that are not
// those of a system call.
func refusedDir(err error) error {
	if errors.Is(err, smallfile.ErrAccess) || errors.Is(err, smallfile.ErrOwner) {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	return nil
}

func keyError(err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("load the key of this device: %w", err)
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", ErrState, err)
}

// lockState locks the state directory. Two daemons with the same key would
// take the links from each other. The kernel drops the lock when the process
// ends, however it ends. Errors: ErrUnavailable; ErrState if the lock file is
// something else.
//
// In a directory that cannot be written it locks the file that exists, or else
// the directory.
func lockState(dir string) (unlock func(), err error) {
	path := filepath.Join(dir, lockFile)
	f, err := smallfile.Open(path, os.O_RDWR|os.O_CREATE)
	switch {
	case errors.Is(err, smallfile.ErrNotRegular):
		return nil, fmt.Errorf("%w: lock file: %w: remove it", ErrState, err)
	case err == nil:
		adopt(f, dir)
	default:
		if f, err = smallfile.Open(path, os.O_RDONLY); err != nil {
			f, err = os.Open(dir)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open state directory: %w: %w", ErrUnavailable, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		err = fmt.Errorf("lock state directory %s: %w: another vchatd uses it: %w", dir, ErrUnavailable, err)
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// adopt gives a file that root has created the owner of its directory: the
// daemon of the unit is another user and must be able to open it.
func adopt(f *os.File, dir string) {
	if info, err := os.Stat(dir); err == nil && os.Geteuid() == 0 {
		st := info.Sys().(*syscall.Stat_t)
		_ = f.Chown(int(st.Uid), int(st.Gid))
	}
}

// checkState records whether the state directory can be written, and logs a
// change. It returns why it cannot.
func (d *Daemon) checkState() error {
	dir := d.startConfig.StateDir
	err := unix.Access(dir, unix.W_OK|unix.X_OK)
	d.mu.Lock()
	before := d.stateErr
	d.stateErr = err
	d.mu.Unlock()
	switch {
	case errors.Is(err, before):
		return err
	case err == nil:
		d.log.Info("state directory writable again", "dir", dir)
		notify(d.storeDirty)
	default:
		d.log.Warn("state directory not writable; "+notSaved, "dir", dir, "err", err)
	}
	notify(d.statusDirty)
	return err
}

const notSaved = "calls and changes of privacy mode will not survive a restart"

// stateProblem returns the problem of a state directory that cannot be written.
// The caller holds mu.
func (d *Daemon) stateProblem() []api.Problem {
	dir := d.startConfig.StateDir
	var all []api.Problem
	if d.stateLost != "" {
		all = append(all, api.Problem{Subject: "state", Message: d.stateLost})
	}
	if d.stateErr == nil {
		return all
	}
	hint := fmt.Sprintf("make %s writable for vchatd", dir)
	if errors.Is(d.stateErr, unix.EROFS) {
		hint = fmt.Sprintf("the file system of %s is mounted read-only: remount it, or check the disk", dir)
	}
	return append(all, api.Problem{
		Subject: "state",
		Message: fmt.Sprintf("state directory not writable (%v): %s", d.stateErr, notSaved),
		Hint:    hint,
	})
}

// OwnID returns the id of the key in a state directory; "" if there is no key
// or it cannot be read.
func OwnID(dir string) string {
	id, err := identity.Load(dir)
	if err != nil {
		return ""
	}
	return id.ID().String()
}

// instance returns a number that differs between two devices with one key: of
// the boot of this machine and of the state directory. It is the same after a
// restart of the daemon.
func instance(dir string) uint64 {
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	var st unix.Stat_t
	_ = unix.Stat(dir, &st)
	sum := sha256.Sum256(fmt.Appendf(boot, "%d %d %s", st.Dev, st.Ino, dir))
	return max(binary.BigEndian.Uint64(sum[:]), 1)
}

// NewKey is the result of NewID.
type NewKey struct {
	OldID string // "" if there was no valid key
	ID    string
	Kept  string // file of the old key; "" if there was none
}

// NewID gives this device a new key, and so a new id. It keeps the old key
// beside it. Errors: ErrUnavailable if a daemon uses the state directory or the
// directory cannot be written; ErrState if others may change it. Root may renew
// the key of another user.
func NewID(cfg *config.Config) (NewKey, error) {
	if err := os.MkdirAll(cfg.StateDir, 0o700); err != nil {
		return NewKey{}, fmt.Errorf("create state directory: %w: %w", ErrUnavailable, err)
	}
	if err := smallfile.CheckDir(cfg.StateDir); !errors.Is(err, smallfile.ErrOwner) || os.Geteuid() != 0 {
		if err := refusedDir(err); err != nil {
			return NewKey{}, err
		}
	}
	unlock, err := lockState(cfg.StateDir)
	if err != nil {
		return NewKey{}, err
	}
	defer unlock()
	k := NewKey{OldID: OwnID(cfg.StateDir)}
	id, kept, err := identity.Renew(cfg.StateDir, time.Now())
	if err != nil {
		return NewKey{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	k.ID, k.Kept = id.ID().String(), kept
	return k, nil
}
