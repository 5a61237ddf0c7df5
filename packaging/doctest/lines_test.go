package doctest

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"vchat/config"
	"vchat/packaging/man"
)

// notRun are the command lines that no test here runs, by how they begin, and
// why not.
var notRun = map[string]string{
	"sudo apt ":         "packaging/deb/check.sh and TestPackage of daemon/vmtest install and purge the package",
	"apt install ":      "a program of others",
	"apt policy ":       "a program of others",
	"dpkg ":             "a program of others",
	"hostname -I":       "a program of others",
	"ls /dev/":          "a program of others",
	"ip -6 ":            "a program of others",
	"git tag ":          "it makes a release",
	"git push ":         "it makes a release",
	"git config ":       "a program of others",
	"sudo cat ":         "a program of others",
	"sudo nano ":        "a program of others",
	"sudo sh -c 'test ": "it configures another program",
	"sudo ss ":          "a program of others",
	"ss -tn ":           "a program of others",
	"ss -l":             "a program of others",
	"sudo ufw ":         "a program of others",
	"sudo wg":           "a program of others",
	"sudo cp ":          "it needs systemd; TestRelayUnit of daemon/vmtest runs the unit",
	"sudo tailscale ":   "a program of others",
	"sudo yggdrasilctl": "a program of others",
	"curl -4 ":          "a program of others",
	"curl -6 ":          "a program of others",
	"ping ":             "a program of others",
	"printf ":           "it changes another program",
	"scp ":              "a program of others",
	"ssh -N ":           "a program of others",
	"tailscale ":        "a program of others",
	"tailscaled ":       "a program of others",
	"twistd3 ":          "daemon/natlab runs it",
	"wg ":               "a program of others",
	"sudo modprobe ":    "it changes the kernel",
	"sudo usermod ":     "it changes the users; TestPackage of daemon/vmtest runs it",
	"sudo systemctl ":   "it needs systemd; daemon/vmtest runs the units",
	"systemctl ":        "it needs systemd; daemon/vmtest runs the units",
	"systemd-analyze ":  "it needs systemd; TestExposure of daemon/vmtest runs it",
	"journalctl ":       "it needs journald; TestJournalFields of daemon/vmtest runs it",
	"man ":              "TestMan checks the pages with mandoc",
	"strace ":           "a program of others",
	"go test ./cmd/vchatd -run - -bench Start": "it measures",
	"go test ./...":             "this test is part of it",
	".ci/run":                   "this test is part of it",
	"packaging/release":         "packaging/deb/check.sh runs it",
	"vchat-light ":              "the tests of daemon/hooks run the examples",
	"vchat-mqtt ":               "the tests of daemon/hooks run the examples",
	"vchat-ntfy ":               "the tests of daemon/hooks run the examples",
	"vchatctl camera ":          "it needs a camera; TestVivid_controls of daemon/vmtest runs it",
	"sudo udevadm ":             "a program of others",
	"ACTION!=":                  "a rule of udev",
	"vchatctl view --to screen": "it needs a monitor; TestScreen of daemon/vmtest runs it",
	"vchatctl view --to pipe --format mkv | ffplay ":  "a session runs the line of viewing.md",
	"sudo vchatctl view --to screen":                  "it needs a monitor; TestScreen of daemon/vmtest runs it",
	"ssh -L":                                          "not a whole command",
	"sudo vchatd new-id":                              "new-id.txt of cmd/vchatd runs it",
	"sudo vchatctl":                                   "not a whole command",
	"go test ./cmd/vchatd -run 'PowerCut":             "go test ./... runs it",
	"go test ./daemon/soak -run TestClockJump":        "go test ./... runs it",
	"go test -run OneFile ":                           "go test ./... runs it",
	"Do both devices show 482 913? [y/N]":             "a question of vchatctl",
	"vchatd does not answer on ":                      "a message",
	"vchatctl peer workshop --address address-of-the": "it needs Tor; TestChangePeer of daemon runs the like",
}

// Every command line in the documents is a step of a session below, or has a
// reason in notRun.
func TestLines_complete(t *testing.T) {
	lines := documented(t)
	var steps []string
	for _, s := range slices.Concat(devices, source) {
		if s.line == "" {
			continue
		}
		steps = append(steps, s.line)
		if _, ok := lines[s.line]; !ok {
			t.Errorf("no document has the line %q, which a session runs", s.line)
		}
	}
	used := map[string]bool{}
	for line, where := range lines {
		reason := ""
		for start := range notRun {
			if strings.HasPrefix(line, start) {
				reason, used[start] = notRun[start], true
			}
		}
		if reason == "" && !slices.Contains(steps, line) {
			t.Errorf("%s: no test runs %q: add a step to a session, or a reason to notRun", where, line)
		}
	}
	for start := range notRun {
		if !used[start] {
			t.Errorf("no document has a line that begins with %q: remove it from notRun", start)
		}
	}
}

// Examples of the configuration are valid.
func TestLines_configuration(t *testing.T) {
	n := 0
	for name, text := range man.Documents(t) {
		for _, b := range blocks(text) {
			if !isYAML(b) || strings.HasPrefix(b[0], "rule_files:") { // of Prometheus
				continue
			}
			n++
			yaml := strings.ReplaceAll(strings.Join(b, "\n"), "XCPZR-QG6IN-…", exampleID)
			if _, err := config.Parse(name, []byte(yaml)); err != nil {
				t.Errorf("%v\n%s", err, yaml)
			}
		}
	}
	if n < 2 {
		t.Errorf("got %d examples, want at least 2", n)
	}
}

// programs are those that begin a command in backquotes.
var programs = regexp.MustCompile(`^(\.ci/run|apt|curl|dpkg|ffmpeg|ffplay|git|go|hostname|ip|journalctl|ls|man|mpv|` +
	`packaging/[a-z]+\.sh|ss|ssh|sudo|systemctl|systemd-analyze|tailscaled?|twistd3|vchat-[a-z]+|vchatctl|vchatd|vlc) `)

// documented returns where the command lines of the documents are.
func documented(t *testing.T) map[string]string {
	t.Helper()
	lines := map[string]string{}
	for name, text := range man.Documents(t) {
		if name == "CHANGELOG.md" {
			continue // what a release had may be gone
		}
		for _, b := range blocks(text) {
			for _, line := range commands(b) {
				lines[line] = name
			}
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(text, -1) {
			span := strings.Join(strings.Fields(m[1]), " ")
			if programs.MatchString(span) && !strings.Contains(span, ": ") { // else a message
				lines[span] = name
			}
		}
	}
	if len(lines) < 50 {
		t.Fatalf("got %d command lines, want at least 50", len(lines))
	}
	return lines
}

// blocks returns the indented and fenced blocks of a document, as lines without
// the indentation.
func blocks(text string) (all [][]string) {
	var block []string
	fenced, last := false, ""
	for line := range strings.SplitSeq(text+"\n\n", "\n") {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		indented := strings.HasPrefix(line, "    ") && (last == "" || len(block) > 0)
		switch {
		case fence:
			fenced = !fenced
		case fenced || indented:
			block = append(block, line)
		}
		if (fence && !fenced || !fenced && !indented) && len(block) > 0 {
			indent := len(block[0]) - len(strings.TrimLeft(block[0], " "))
			for i := range block {
				block[i] = block[i][min(indent, len(block[i])):]
			}
			all, block = append(all, block), nil
		}
		last = line
	}
	return all
}

func isYAML(block []string) bool { return regexp.MustCompile(`^[a-z_]+:( |$)`).MatchString(block[0]) }

// commands returns the command lines of a block, without remarks.
func commands(block []string) (lines []string) {
	prompt := regexp.MustCompile(`^[$#] `).FindString(block[0])
	switch {
	case isYAML(block), strings.HasPrefix(block[0], "["), strings.ContainsAny(strings.Join(block, ""), "─═│"):
		return nil // configuration, a unit, a drawing
	}
	for _, line := range block {
		line, ok := strings.CutPrefix(line, prompt)
		line = strings.TrimSpace(regexp.MustCompile(`(^|\s)#.*`).ReplaceAllString(line, ""))
		if ok && line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}
