package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/time/rate"

	"vchat/daemon/call"
	"vchat/daemon/smallfile"
)

// CallsFile is the name of the file in the state directory that keeps calls
// across a restart.
const CallsFile = "calls.json"

// maxCallsFile is the largest size of the file that is read, in bytes. Sixteen
// calls take about 4 KiB.
const maxCallsFile = 64 << 10

// restoreCalls resumes the calls from before the restart. An unusable file
// costs these calls and nothing else: it is set aside and named.
func (d *Daemon) restoreCalls() {
	saved, err := readCalls(d.callsFile)
	lost := ""
	if err != nil {
		lost, _ = smallfile.Recover(d.callsFile, err, "saved calls lost", "saved calls lost")
		d.log.Warn(lost)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stateLost = lost
	d.execute(d.calls.Restore(saved, time.Now()))
}

func readCalls(path string) ([]call.Saved, error) {
	b, err := smallfile.ReadState(path, maxCallsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var saved []call.Saved
	if err := json.Unmarshal(b, &saved); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", smallfile.ErrDamaged, path, err)
	}
	for _, s := range saved {
		if s.Version != call.SavedVersion {
			return nil, fmt.Errorf("%w: %s: version %d, want %d", smallfile.ErrDamaged, path, s.Version,
				call.SavedVersion)
		}
	}
	return saved, nil
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
		err = smallfile.Replace(path, append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("save calls: %w", err)
	}
	return nil
}
