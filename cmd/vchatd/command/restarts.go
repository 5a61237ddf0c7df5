package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Under systemd, a vchatd that crashes is started again after half a second, so
// that calls resume. One that crashes at every start would do so forever: it
// would write a million lines a day, and keep a small board busy. So vchatd
// counts its starts, in a file that a reboot and an orderly end remove. The
// first restartBurst starts are at once, then one is per restartPause.
const (
	restartBurst = 240 // a device that is killed again and again stays usable
	restartPause = time.Minute
	restartsName = "restarts"
)

var errRestarts = errors.New("too many crashes: see journalctl -u vchatd")

// restarts is the number of starts that may be at once, at a time since the
// boot: the wall clock of a board without a battery jumps.
type restarts struct {
	left float64
	at   time.Duration
}

// take counts a start, and returns how long to wait before it.
func (r *restarts) take(now time.Duration) (pause time.Duration) {
	if now >= r.at {
		r.left = min(r.left+float64(now-r.at)/float64(restartPause), restartBurst)
	}
	r.at = now
	if r.left--; r.left >= 0 {
		return 0
	}
	pause = time.Duration(-r.left * float64(restartPause))
	r.left, r.at = 0, now+pause
	return pause
}

// parseRestarts returns a full allowance for a file that is missing, damaged or
// from the future.
func parseRestarts(text string, now time.Duration) restarts {
	var r restarts
	_, err := fmt.Sscanf(text, "%f %d", &r.left, &r.at)
	if err != nil || r.at < 0 || r.at > now+restartPause || !(r.left >= 0 && r.left <= restartBurst) {
		return restarts{restartBurst, now}
	}
	return r
}

func (r restarts) String() string { return fmt.Sprintf("%f %d\n", r.left, r.at) }

// awaitRestart waits if vchatd has crashed too often. It reports false when ctx
// has ended.
func (s *service) awaitRestart(ctx context.Context) bool {
	path := runtimePath(restartsName)
	if path == "" {
		return true
	}
	text, _ := os.ReadFile(path)
	r := parseRestarts(string(text), bootTime())
	pause := r.take(bootTime())
	_ = os.WriteFile(path, []byte(r.String()), 0o600)
	if pause <= 0 {
		return true
	}
	pause = max(pause.Round(time.Second), time.Second)
	s.log.Error("vchatd waits before its next start", "for", pause, "err", errRestarts)
	return s.wait(ctx, errRestarts, pause)
}

// forgetRestarts is called before an orderly end.
func forgetRestarts() {
	if path := runtimePath(restartsName); path != "" {
		_ = os.Remove(path)
	}
}

// runtimePath returns the path of a file in the runtime directory of the unit;
// "" without systemd.
func runtimePath(name string) string {
	dir, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":")
	if dir == "" || os.Getenv("NOTIFY_SOCKET") == "" {
		return ""
	}
	return filepath.Join(dir, name)
}

func bootTime() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) // fails on no Linux
	return time.Duration(t.Nano())
}
