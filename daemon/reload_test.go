package daemon_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/daemontest"
)

// configProblems returns the problems of the configuration file.
func configProblems(s api.Status) []api.Problem {
	return slices.DeleteFunc(s.Problems, func(p api.Problem) bool { return p.Subject != "config" })
}

// A refused file changes nothing. Status says so until a good one is loaded.
func TestReload_refused(t *testing.T) {
	alice, bob := two(t)
	start(bob, alice)
	call(t, alice, bob)
	alice.Reload(func(c *config.Config) error {
		c.Name = "not alice"
		return config.Errors{{File: "/etc/vchat.yaml", Line: 3, Col: 7, Message: `unknown key "nmae"`}}
	})
	s := alice.Status()
	want := []api.Problem{{
		Subject: "config", File: "/etc/vchat.yaml", Line: 3, Column: 7, Message: `unknown key "nmae"`,
		Hint: "vchatd runs on the configuration from before: correct the file, then reload vchatd",
	}}
	if diff := cmp.Diff(want, configProblems(s)); diff != "" {
		t.Errorf("problems differ (-want +got):\n%s", diff)
	}
	if s.Name != "alice" || !daemontest.Seeing(s) {
		t.Errorf("got %s with calls %+v, want alice in her call", s.Name, s.Calls)
	}

	var many config.Errors
	for i := range 1000 {
		many = append(many, config.Fault{File: "f", Line: i + 1, Col: 1, Message: "fault"})
	}
	alice.Reload(func(*config.Config) error { return many })
	if got := configProblems(alice.Status()); len(got) != 20 {
		t.Errorf("1000 faults: got %d problems, want 20", len(got))
	}
	if n := strings.Count(alice.Log(), "configuration not reloaded"); n > 22 {
		t.Errorf("got %d lines in the log, want at most 22", n)
	}
	alice.Reload(func(*config.Config) error { return errors.New("read configuration: no file") })
	if got := configProblems(alice.Status()); len(got) != 1 || got[0].Message != "read configuration: no file" {
		t.Errorf("no file: got problems %+v, want one", got)
	}

	alice.Reload(func(*config.Config) error { return nil })
	if s := alice.Status(); configProblems(s) != nil || !daemontest.Seeing(s) {
		t.Errorf("good file: got problems %+v, want none and the call", configProblems(s))
	}
	if _, err := alice.Client.Reload(ctx(t)); !isKind(err, api.Unsupported) {
		t.Errorf("reload without a file: got %v, want %s", err, api.Unsupported)
	}
}

// A file that parses but cannot be applied is refused whole, too.
func TestReload_notApplied(t *testing.T) {
	alice, bob := two(t)
	start(alice)
	alice.Reload(func(c *config.Config) error {
		c.Name = "not alice"
		c.Peers = map[string]config.Peer{"twin": {Name: "twin", ID: alice.ID.String()}}
		return nil
	})
	s := alice.Status()
	if got := fmt.Sprint(configProblems(s)); !strings.Contains(got, "was the card cloned?") {
		t.Errorf("got problems %s, want the own id", got)
	}
	if s.Name != "alice" || len(s.Peers) != 1 || s.Peers[0].ID != bob.ID.String() {
		t.Errorf("got %s with peers %+v, want alice and bob", s.Name, s.Peers)
	}
}
