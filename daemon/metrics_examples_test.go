package daemon_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vchat/daemon/daemontest"
	"vchat/daemon/metrics/metricstest"
)

const (
	alertRules = "../packaging/examples/vchat-alerts.yml"
	dashboard  = "../packaging/examples/vchat-dashboard.json"
)

// promtool runs promtool of Debian's package prometheus.
func promtool(t *testing.T, stdin string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil && os.Getenv("VCHAT_TEST_TOOLS") != "" {
		t.Fatal("promtool is not installed: apt install prometheus")
	} else if err != nil {
		t.Skip("promtool is not installed")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "FAILED") {
		t.Errorf("promtool %v: %v\n%s", args, err, out)
	} else if args[1] == "metrics" && len(out) > 0 {
		t.Errorf("promtool %v: got %s, want nothing", args, out)
	}
}

// The page of a device in a call is what Prometheus' own linter wants.
func TestMetrics_promtool(t *testing.T) {
	alice, bob := two(t)
	start(bob, alice)
	call(t, alice, bob)
	open(t, alice, "bob")
	alice.Wait("frames", daemontest.Seeing)
	promtool(t, alice.Daemon().Metrics(), "check", "metrics")
}

// The rules are valid, and each alert comes when it should.
func TestAlertRules(t *testing.T) {
	rules, err := os.ReadFile(alertRules)
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile("testdata/vchat-alerts_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	alerts := regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(string(rules), -1)
	if len(alerts) < 10 {
		t.Fatalf("got %d alerts, want at least 10", len(alerts))
	}
	for _, a := range alerts {
		// Once without and once with a result.
		if n := len(regexp.MustCompile(`alertname: `+a[1]+`\b`).FindAllString(string(tests), -1)); n < 2 {
			t.Errorf("alert %s: got %d tests, want at least 2", a[1], n)
		}
	}
	promtool(t, "", "check", "rules", alertRules)
	promtool(t, "", "test", "rules", filepath.Join("testdata", "vchat-alerts_test.yml"))
}

// The queries of the dashboard are valid.
func TestDashboard(t *testing.T) {
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []rule
	for _, e := range expressionsIn(t) {
		if !strings.HasPrefix(e, "label_values(") { // Grafana's own
			rules = append(rules, rule{fmt.Sprintf("panel:%d", len(rules)), e})
		}
	}
	b, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yml") // JSON is YAML
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "", "check", "rules", file)
}

// Every metric in the rules and on the dashboard is one of vchatd's.
func TestMetrics_examples(t *testing.T) {
	alice := daemontest.New(t, "alice")
	alice.Start()
	page, err := metricstest.Parse(alice.Daemon().Metrics())
	if err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile(alertRules)
	if err != nil {
		t.Fatal(err)
	}
	used := expressionsIn(t)
	for _, m := range regexp.MustCompile(`(?m)^ +expr: (>\n(?: {10,}.*\n)+|.*)`).FindAllStringSubmatch(string(rules),
		-1) {
		used = append(used, m[1])
	}
	if len(used) < 30 {
		t.Fatalf("got %d expressions, want at least 30", len(used))
	}
	name := regexp.MustCompile(`\b(?:vchat|process|go)_[a-z0-9_]+|\bup\b`)
	quoted := regexp.MustCompile(`"[^"]*"`)
	for _, e := range used {
		names := name.FindAllString(quoted.ReplaceAllString(e, `""`), -1)
		if len(names) == 0 {
			t.Errorf("%s: got no metric", e)
		}
		for _, n := range names {
			if n != "up" && page.Types[n] == "" { // Prometheus makes that one
				t.Errorf("%s: vchatd has no metric %s", e, n)
			}
			if isRate := strings.Contains(e, "rate("+n) || strings.Contains(e, "increase("+n); isRate !=
				(page.Types[n] == "counter") {
				t.Errorf("%s: %s is a %s", e, n, page.Types[n])
			}
		}
	}
}

// expressionsIn returns the queries of the dashboard.
func expressionsIn(t *testing.T) (all []string) {
	t.Helper()
	b, err := os.ReadFile(dashboard)
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Title      string
		Templating struct {
			List []struct{ Name, Definition string }
		}
		Panels []struct {
			ID      int
			Type    string
			Targets []struct{ Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal(b, &board); err != nil {
		t.Fatal(err)
	}
	var ids []int
	for _, p := range board.Panels {
		if slices.Contains(ids, p.ID) {
			t.Errorf("two panels have the id %d", p.ID)
		}
		ids = append(ids, p.ID)
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %d has no query", p.ID)
		}
		for _, q := range p.Targets {
			all = append(all, q.Expr)
		}
	}
	for _, v := range board.Templating.List {
		if v.Definition != "" {
			all = append(all, v.Definition)
		}
	}
	return all
}
