package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"vchat/daemon/call"
)

// callsFile is what a call needs to survive a restart, in the state directory.
const callsFile = "calls.json"

// maxState bounds what is read of it: sixteen calls are about 4 KiB.
const maxState = 64 << 10

// restore takes up the calls that were there before the restart. A file that cannot be used costs these calls and
// nothing else.
func (d *Daemon) restore() {
	path := filepath.Join(d.cfg.StateDir, callsFile)
	saved, err := readCalls(path)
	if err != nil {
		d.log.Warn("the calls before the restart are lost", "err", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.do(d.calls.Restore(saved, time.Now()))
}

func readCalls(path string) ([]call.Saved, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read saved calls: %w", err)
	}
	if info.Size() > maxState {
		return nil, fmt.Errorf("read saved calls: %s has %d bytes, at most %d", path, info.Size(), maxState)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read saved calls: %w", err)
	}
	var saved []call.Saved
	if err := json.Unmarshal(b, &saved); err != nil {
		return nil, fmt.Errorf("read saved calls: %s: %w", path, err)
	}
	return saved, nil
}

// keepState writes the calls whenever they have changed, and a last time at the end.
func (d *Daemon) keepState(ctx context.Context) error {
	path := filepath.Join(d.cfg.StateDir, callsFile)
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
		switch err := writeCalls(path, saved); {
		case err == nil:
			told = ""
		case err.Error() != told:
			told = err.Error()
			d.log.Error("calls will not survive a restart", "err", err)
		}
	}
	return nil
}

// writeCalls replaces the file as a whole: a power cut leaves the old one or the new one.
func writeCalls(path string, saved []call.Saved) error {
	b, err := json.Marshal(saved)
	if err != nil {
		return fmt.Errorf("write calls: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".calls-*")
	if err != nil {
		return fmt.Errorf("write calls: %w", err)
	}
	defer os.Remove(f.Name()) // after the rename there is nothing under this name
	_, err = f.Write(append(b, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write calls: %w", err)
	}
	return nil
}
