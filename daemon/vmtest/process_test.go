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
