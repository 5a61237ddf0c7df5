package daemon_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/daemontest"
)

// hookLog is a hook that appends its events to a file.
type hookLog struct {
	argv []string
	file string
}

func newHookLog(t *testing.T) hookLog {
	t.Helper()
	dir := t.TempDir()
	h := hookLog{argv: []string{filepath.Join(dir, "hook")}, file: filepath.Join(dir, "log")}
	script := `#!/bin/sh
text="$VCHAT_EVENT $VCHAT_PEER $VCHAT_REASON $VCHAT_TEXT $(cat)"
printf "%s\n" "$text" >>` + h.file + "\n"
	syscall.ForkLock.RLock() // or exec fails with ETXTBSY
	err := os.WriteFile(h.argv[0], []byte(script), 0o700)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// wait waits for a line that starts with text, and returns it.
func (h hookLog) wait(t *testing.T, text string) (line string) {
	t.Helper()
	for end := time.Now().Add(daemontest.Timeout); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		b, _ := os.ReadFile(h.file)
		for l := range strings.Lines(string(b)) {
			if strings.HasPrefix(l, text) && strings.HasSuffix(l, "\n") {
				return l
			}
		}
	}
	t.Fatalf("hook not run: %s", text)
	return ""
}

func TestHooks(t *testing.T) {
	alice, bob := two(t)
	a, b := newHookLog(t), newHookLog(t)
	alice.Config.Hooks = config.Hooks{Answered: a.argv, Ended: a.argv, Text: a.argv}
	bob.Config.Hooks = config.Hooks{Ring: b.argv, Answered: b.argv, Ended: b.argv, Missed: b.argv, Text: b.argv}
	start(bob, alice)
	must(t)(alice.Client.Call(ctx(t), api.CallRequest{Peer: "bob"}))
	line := b.wait(t, "ring alice ")
	var e api.Event
	if _, document, _ := strings.Cut(line, " {"); json.Unmarshal([]byte("{"+document), &e) != nil || e.Call == nil ||
		e.Call.State != api.CallIncoming {
		t.Errorf("standard input of ring: got %s, want the event", line)
	}
	must(t)(bob.Client.Answer(ctx(t), ""))
	a.wait(t, "answered bob ")
	b.wait(t, "answered alice ")
	alice.Wait("active call", daemontest.InCall(api.CallActive))
	say(t, alice, "$(reboot) grüße")
	b.wait(t, "text alice  $(reboot) grüße {")
	must(t)(bob.Client.Hangup(ctx(t), ""))
	a.wait(t, "ended bob hung_up ")
	b.wait(t, "ended alice hung_up ")

	must(t)(alice.Client.Call(ctx(t), api.CallRequest{Peer: "bob"}))
	bob.Wait("ringing call", daemontest.InCall(api.CallIncoming))
	must(t)(alice.Client.Hangup(ctx(t), ""))
	b.wait(t, "missed alice cancelled ")
}

func TestHooks_problemAndReload(t *testing.T) {
	alice, _ := two(t)
	alice.Config.Hooks.Ring = []string{"/nonexistent/bell"}
	alice.Start()
	hasProblem := func(s api.Status) bool {
		for _, p := range s.Problems {
			if p.Subject == "hook" && p.Message == "ring not started: /nonexistent/bell: no such file or directory" {
				return true
			}
		}
		return false
	}
	alice.Wait("problem", hasProblem)
	alice.Reload(func(c *config.Config) error { c.Hooks = config.Hooks{}; return errors.New("faulty file") })
	alice.Wait("problem after a refused reload", hasProblem)
	alice.Reload(func(c *config.Config) error { c.Hooks = config.Hooks{}; return nil })
	alice.Wait("end of the problem", func(s api.Status) bool { return !hasProblem(s) })
	if n := strings.Count(alice.Log(), "hook not started"); n != 1 {
		t.Errorf("got %d log lines, want 1", n)
	}
}
