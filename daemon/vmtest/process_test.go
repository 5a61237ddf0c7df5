//go:build vm

package vmtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// footprint is what the kernel says of a daemon's process.
type footprint struct {
	PID, Descriptors, Threads int
	ResidentKB                int
	Switches                  int // of all its threads, since each began: a wake-up makes one
}

func (d device) footprint(t *testing.T) (f footprint) {
	t.Helper()
	out := sh(t, fmt.Sprintf(`p=$(systemctl show -P MainPID %s); cd /proc/$p; echo $p $(ls fd | wc -l) `+
		`$(awk '/^Threads/ { print $2 }' status) $(awk '/^VmRSS/ { print $2 }' status) $(awk '/ctxt_switches/ { n += $2 } END { print n }' task/*/status)`, d.unit))
	if _, err := fmt.Sscan(out, &f.PID, &f.Descriptors, &f.Threads, &f.ResidentKB, &f.Switches); err != nil {
		t.Fatalf("%v: %q", err, out)
	}
	return f
}

// files names the daemon's descriptors, a kind a line with how many there are.
func (d device) files(t *testing.T) string {
	t.Helper()
	return sh(t, fmt.Sprintf(`for f in /proc/$(systemctl show -P MainPID %s)/fd/*; do readlink $f || true; done | sed 's/:\[.*//' | sort | uniq -c`, d.unit))
}

// load is how much of one processor the daemon takes while the guest does nothing else for us, in thousandths: the least of
// three spans of 4 s, since what else the host does shows as time that the guest's programs take.
func (d device) load(t *testing.T) float64 {
	t.Helper()
	// One command, so that the guest's own work for it falls outside.
	out := sh(t, fmt.Sprintf("cpu() { systemctl show -P CPUUsageNSec %s; }; for i in 1 2 3; do a=$(cpu); sleep 4; b=$(cpu); echo $((b - a)); done", d.unit))
	var used [3]int64
	if _, err := fmt.Sscan(out, &used[0], &used[1], &used[2]); err != nil {
		t.Fatalf("%v: %q", err, out)
	}
	return float64(slices.Min(used[:])) / 4e6
}

// goroutines ends the daemon by SIGQUIT, upon which Go prints what each goroutine does, and returns that; systemd starts
// the daemon again.
func (d device) goroutines(t *testing.T) []string {
	t.Helper()
	since := d.journal(t)
	sh(t, fmt.Sprintf("kill -QUIT $(systemctl show -P MainPID %s)", d.unit))
	eventually(t, comesBack, fmt.Sprintf("journalctl --no-pager -o cat -u %s --after-cursor '%s' | grep -q '^ready '", d.unit, since))
	var all []string
	for line := range strings.Lines(d.logged(t, since)) { // the journal drops the empty lines between them
		if strings.HasPrefix(line, "goroutine ") {
			all = append(all, line)
		} else if len(all) > 0 {
			all[len(all)-1] += line
		}
	}
	// The runtime's own come and go with its garbage collector.
	return slices.DeleteFunc(all, func(g string) bool {
		return strings.HasPrefix(g, "goroutine 0 ") || strings.Contains(g, "created by runtime.")
	})
}

// journal is a mark in the journal: logged tells what came after it.
func (d device) journal(t *testing.T) (cursor string) {
	t.Helper()
	return strings.TrimSpace(sh(t, "journalctl --no-pager -n 0 --show-cursor -u "+d.unit+" | sed -n 's/-- cursor: //p'"))
}

// logged is what the unit's journal has after the mark, without its times.
func (d device) logged(t *testing.T, cursor string) string {
	t.Helper()
	return sh(t, fmt.Sprintf("journalctl --no-pager -o cat -u %s --after-cursor '%s'", d.unit, cursor))
}

// about is those lines of a log that have the word, in any case.
func about(word, log string) (found []string) {
	for line := range strings.Lines(log) {
		if strings.Contains(strings.ToLower(line), word) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}
