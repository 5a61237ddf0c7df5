//go:build vm

package vmtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A footprint is the kernel's data of a daemon's process.
type footprint struct {
	PID, Descriptors, Threads int
	Mappings                  int // of camera buffers
	AnonymousKB               int // resident memory that maps no file or camera buffer
	Switches                  int // context switches of all threads; each wakeup is one
}

func (d device) footprint(t *testing.T) (f footprint) {
	t.Helper()
	out := sh(t, fmt.Sprintf(`p=$(systemctl show -P MainPID %s); cd /proc/$p
		echo $p $(ls fd | wc -l) $(awk '/^Threads/ { print $2 }' status) \
			$(grep -c /dev/video maps) $(awk '/^RssAnon/ { print $2 }' status) \
			$(awk '/ctxt_switches/ { n += $2 } END { print n }' task/*/status)`, d.unit))
	_, err := fmt.Sscan(out, &f.PID, &f.Descriptors, &f.Threads, &f.Mappings, &f.AnonymousKB, &f.Switches)
	if err != nil {
		t.Fatalf("decode footprint %q: %v", out, err)
	}
	return f
}

// descriptors returns the daemon's open files: a line for each kind, with its
// number.
func (d device) descriptors(t *testing.T) string {
	t.Helper()
	return sh(t, fmt.Sprintf("for f in /proc/$(systemctl show -P MainPID %s)/fd/*; do readlink $f || true; done | "+
		`sed 's/:\[.*//' | sort | uniq -c`, d.unit))
}

// cpuLoad returns the share of a processor that the daemon uses, in
// thousandths. It is the minimum of three periods of 4 s, because other load on
// the host adds to the times of the guest.
func (d device) cpuLoad(t *testing.T) float64 {
	t.Helper()
	// One command, so that starting it is not part of the periods.
	out := sh(t, fmt.Sprintf("cpu() { systemctl show -P CPUUsageNSec %s; }; "+
		"for i in 1 2 3; do a=$(cpu); sleep 4; b=$(cpu); echo $((b - a)); done", d.unit))
	var used [3]int64
	if _, err := fmt.Sscan(out, &used[0], &used[1], &used[2]); err != nil {
		t.Fatalf("decode CPU times %q: %v", out, err)
	}
	return float64(slices.Min(used[:])) / 4e6
}

// goroutines ends the daemon by SIGQUIT and returns the stacks that the Go
// runtime then prints. It returns when systemd has started the daemon again.
func (d device) goroutines(t *testing.T) []string {
	t.Helper()
	cursor := d.journalCursor(t)
	sh(t, fmt.Sprintf("kill -QUIT $(systemctl show -P MainPID %s)", d.unit))
	d.awaitLog(t, cursor, "^ready ")
	var stacks []string
	for line := range strings.Lines(d.journalSince(t, cursor)) { // the journal drops the empty lines between stacks
		if strings.HasPrefix(line, "goroutine ") {
			stacks = append(stacks, line)
		} else if len(stacks) > 0 {
			stacks[len(stacks)-1] += line
		}
	}
	// The number of the runtime's goroutines varies with garbage collection.
	return slices.DeleteFunc(stacks, func(g string) bool {
		return strings.HasPrefix(g, "goroutine 0 ") || strings.Contains(g, "created by runtime.")
	})
}

// journalCursor returns the current end of the journal.
func (d device) journalCursor(t *testing.T) string {
	t.Helper()
	script := "journalctl --no-pager -n 0 --show-cursor -u " + d.unit + " | sed -n 's/-- cursor: //p'"
	return strings.TrimSpace(sh(t, script))
}

// journalScript returns a script that prints the unit's log after cursor,
// without times.
func (d device) journalScript(cursor string) string {
	return fmt.Sprintf("journalctl --no-pager -o cat -u %s --after-cursor '%s'", d.unit, cursor)
}

// journalSince returns the unit's log after cursor, without times.
func (d device) journalSince(t *testing.T, cursor string) string {
	t.Helper()
	return sh(t, d.journalScript(cursor))
}

// awaitLog waits for a line after cursor that matches the pattern of grep.
func (d device) awaitLog(t *testing.T, cursor, pattern string) {
	t.Helper()
	eventually(t, waitTimeout, fmt.Sprintf("%s | grep -q '%s'", d.journalScript(cursor), pattern))
}

// linesWith returns the lines of a log that contain text, ignoring case. text
// is in lower case.
func linesWith(log, text string) (found []string) {
	for line := range strings.Lines(log) {
		if strings.Contains(strings.ToLower(line), text) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}
