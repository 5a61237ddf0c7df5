package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"vchat/daemon/api"
)

// jsonRuns has a possible command line for each command. "" needs no daemon.
var jsonRuns = map[string]string{
	"answer":          "answer",
	"api":             "api GET /v1/status",
	"call":            "call attic",
	"camera":          "camera",
	"camera list":     "camera list",
	"camera formats":  "camera formats",
	"camera controls": "camera controls",
	"camera set":      "camera set brightness=1",
	"camera use":      "camera use test",
	"completion":      "",
	"doctor":          "", // its findings are the answer
	"events":          "events",
	"feeds":           "feeds",
	"feeds add":       "feeds add tablet",
	"feeds list":      "feeds list",
	"feeds remove":    "feeds remove tablet",
	"hangup":          "hangup",
	"help":            "",
	"id":              "id",
	"pair":            "pair 192.0.2.7",
	"peer":            "peer attic --auto-answer on",
	"peers":           "peers",
	"privacy":         "privacy on",
	"record":          "record attic DIR/a.mkv",
	"reject":          "reject",
	"reload":          "reload",
	"say":             "say tea",
	"snapshot":        "snapshot attic DIR/a.png",
	"status":          "status --watch",
	"unpair":          "unpair attic",
	"version":         "",
	"view":            "view --to pipe",
}

// With --json every command prints an error as one line of JSON, whatever the
// error is: without a daemon, with a wrong flag, and interrupted.
func TestJSON_errors(t *testing.T) {
	t.Setenv("VCHAT_SOCKET", filepath.Join(t.TempDir(), "none.sock"))
	interrupted, cancel := context.WithCancelCause(t.Context())
	cancel(errInterrupted)
	for _, name := range commandNames(new(app).root(), "") {
		line, known := jsonRuns[name]
		if !known {
			t.Errorf("no command line for %q: add it to jsonRuns", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			wantJSONError(t, t.Context(), name+" --no-such-flag", exitUsage, kindUsage)
			if line != "" {
				line = strings.ReplaceAll(line, "DIR", t.TempDir())
				wantJSONError(t, t.Context(), line, exitNoDaemon, kindNoDaemon)
				wantJSONError(t, interrupted, line, exitInterrupted, kindInterrupted)
			}
		})
	}
}

// commandNames returns the names of all commands below c that can be run.
func commandNames(c *cobra.Command, above string) (names []string) {
	for _, sub := range c.Commands() {
		name := strings.TrimSpace(above + " " + sub.Name())
		if sub.Runnable() {
			names = append(names, name)
		}
		names = append(names, commandNames(sub, name)...)
	}
	return names
}

// wantJSONError runs a command line with --json, and checks its exit code and
// that it prints an error of a kind and nothing else.
func wantJSONError(t *testing.T, ctx context.Context, line string, code int, kind api.Kind) {
	t.Helper()
	open := func(flags int) *os.File {
		f, err := os.OpenFile(filepath.Join(t.TempDir(), "file"), flags|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	a := &app{stdin: open(os.O_RDONLY), stdout: open(os.O_RDWR), stderr: open(os.O_RDWR)}
	defer a.close()
	args := append(strings.Fields(line), "--json")
	root := a.root()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	a.json = a.json || wantsJSON(args)
	if got := a.finish(cmd.CommandPath(), err); got != code {
		t.Errorf("%s: got exit code %d (%v), want %d", line, got, err, code)
	}
	text, _ := os.ReadFile(a.stderr.Name())
	var body api.ErrorBody
	if err := json.Unmarshal(text, &body); err != nil || body.Error == nil || body.Error.Kind != kind ||
		body.Error.Message == "" || strings.Count(string(text), "\n") != 1 {
		t.Errorf("%s: got %q on standard error (%v), want one line with the kind %s", line, text, err, kind)
	}
	if text, _ := os.ReadFile(a.stdout.Name()); len(text) > 0 {
		t.Errorf("%s: got %q on standard output, want nothing", line, text)
	}
}

// What is no error is a line of JSON on standard error, too.
func TestJSON_remark(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a := &app{json: true, stderr: f}
	a.logf("saved %q in\n%d s", "a.mkv", 3)
	got, _ := os.ReadFile(f.Name())
	if want := `{"remark":"saved \"a.mkv\" in\n3 s"}` + "\n"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
