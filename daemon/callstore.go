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

	"github.com/google/renameio/v2"
	"golang.org/x/time/rate"

	"vchat/daemon/call"
)

// CallsFile is the name of the file in the state directory that keeps calls
// across a restart.
const CallsFile = "calls.json"

// maxCallsFile is the largest size of the file that is read, in bytes. Sixteen
// calls take about 4 KiB.
const maxCallsFile = 64 << 10

// restoreCalls resumes the calls from before the restart. An unusable file
// costs these calls and nothing else.
func (d *Daemon) restoreCalls() {
	saved, err := readCalls(d.callsFile)
	if err != nil {
		d.log.Warn("saved calls lost", "err", err)
	}
	removeTemporaries(d.callsFile)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.execute(d.calls.Restore(saved, time.Now()))
}

func readCalls(path string) ([]call.Saved, error) {
	// O_NONBLOCK: opening a FIFO at this path must not block the start.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read saved calls: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read saved calls: %s is not a regular file", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxCallsFile+1))
	if err != nil {
		return nil, fmt.Errorf("read saved calls: %w", err)
	}
	if len(b) > maxCallsFile {
		return nil, fmt.Errorf("read saved calls: %s exceeds %d bytes", path, maxCallsFile)
	}
	var saved []call.Saved
	if err := json.Unmarshal(b, &saved); err != nil {
		return nil, fmt.Errorf("read saved calls: %s: %w", path, err)
	}
	return saved, nil
}

// removeTemporaries removes what renameio leaves behind if the daemon is
// killed while it writes path.
func removeTemporaries(path string) {
	dir, name := filepath.Split(path)
	left, _ := filepath.Glob(filepath.Join(dir, "."+name+"*"))
	for _, file := range left {
		_ = os.Remove(file)
	}
}

// A peer must not wear out the flash: what it changes in a loop is written at
// this rate.
const (
	saveInterval = 2 * time.Second
	saveBurst    = 20 // writes
)

// saveCalls writes the calls to disk whenever storeDirty reports a change, and
// a last time when ctx is done. A repeated error is logged once.
func (d *Daemon) saveCalls(ctx context.Context) error {
	logged := ""
	limit := rate.NewLimiter(rate.Every(saveInterval), saveBurst)
	for last := false; !last; {
		select {
		case <-d.storeDirty:
		case <-ctx.Done():
			last = true
			select {
			case <-d.storeDirty:
			default:
				return nil
			}
		}
		d.mu.Lock()
		saved := d.calls.Saved()
		d.mu.Unlock()
		switch err := writeCalls(d.callsFile, saved); {
		case err == nil:
			logged = ""
		case d.checkState() != nil: // that is logged
		case err.Error() != logged:
			logged = err.Error()
			d.log.Error("calls not saved", "err", err)
		}
		_ = limit.Wait(ctx) // fails only when ctx ends
	}
	return nil
}

func writeCalls(path string, saved []call.Saved) error {
	b, err := json.Marshal(saved)
	if err == nil {
		err = replaceFile(path, append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("save calls: %w", err)
	}
	return nil
}

// replaceFile replaces the content of a file. After a power cut it holds the
// old content or the new one; once replaceFile has returned nil, the new one.
func replaceFile(path string, b []byte) error {
	dir := filepath.Dir(path)
	err := renameio.WriteFile(path, b, 0o600, renameio.WithTempDir(dir))
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		// Without the random name of the temporary file, so that a repeated
		// error has the same text.
		return &fs.PathError{Op: "replace", Path: path, Err: errno}
	}
	if err != nil {
		return err
	}
	return syncDir(dir) // renameio syncs the file only
}

// syncDir makes changes of names in a directory survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
