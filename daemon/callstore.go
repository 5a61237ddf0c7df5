package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"vchat/daemon/call"
)

// CallsFile is what a call needs to survive a restart, in the state directory.
const CallsFile = "calls.json"

// maxState bounds what is read of it: sixteen calls are about 4 KiB.
const maxState = 64 << 10

// restore takes up the calls that were there before the restart. A file that cannot be used costs these calls and
// nothing else.
func (d *Daemon) restore() {
	saved, err := readCalls(d.callsFile)
	if err != nil {
		d.log.Warn("the calls before the restart are lost", "err", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.do(d.calls.Restore(saved, time.Now()))
}

func readCalls(path string) ([]call.Saved, error) {
	// Without O_NONBLOCK a FIFO in the file's place would hold the start for ever.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read saved calls: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read saved calls: %s is not a file", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxState+1))
	if err != nil {
		return nil, fmt.Errorf("read saved calls: %w", err)
	}
	if len(b) > maxState {
		return nil, fmt.Errorf("read saved calls: %s has more than %d bytes", path, maxState)
	}
	var saved []call.Saved
	if err := json.Unmarshal(b, &saved); err != nil {
		return nil, fmt.Errorf("read saved calls: %s: %w", path, err)
	}
	return saved, nil
}

// saveEvery is the pause between two writes: a peer that calls and hangs up all the time must not wear out the flash.
const saveEvery = 250 * time.Millisecond

// keepState writes the calls whenever they have changed, and a last time at the end.
func (d *Daemon) keepState(ctx context.Context) error {
	told := ""
	for over := false; !over; {
		select {
		case <-d.dirty:
		case <-ctx.Done():
			over = true
			select {
			case <-d.dirty:
			default:
				return nil
			}
		}
		d.mu.Lock()
		saved := d.calls.Saved()
		d.mu.Unlock()
		switch err := writeCalls(d.callsFile, saved); {
		case err == nil:
			told = ""
		case err.Error() != told:
			told = err.Error()
			d.log.Error("calls will not survive a restart", "err", err)
		}
		select {
		case <-time.After(saveEvery):
		case <-ctx.Done():
		}
	}
	return nil
}

func writeCalls(path string, saved []call.Saved) error {
	b, err := json.Marshal(saved)
	if err == nil {
		err = replaceFile(path, append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write calls: %w", err)
	}
	return nil
}

// replaceFile replaces a file as a whole: a power cut leaves the old one or the new one, and once it returns nil the new one.
func replaceFile(path string, b []byte) error {
	// Always the same name, so that what a killed daemon leaves behind does not pile up.
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	return err
}

// syncDir makes a rename last over a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// lockState keeps two daemons from being the same device at once, who would take each other's links away. The lock goes
// with the process, however that ends.
func lockState(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("state directory: %w: %w", ErrUnavailable, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("state directory %s: %w: another vchatd uses it: %w", dir, ErrUnavailable, err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}
