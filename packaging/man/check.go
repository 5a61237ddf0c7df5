package man

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "write the manual pages")

// root returns the directory of the module.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	t.Fatalf("no go.mod above this test (%v)", err)
	return ""
}

// overstrike is how mandoc prints bold and underlined letters.
var overstrike = regexp.MustCompile(`.\x08`)

// NewestRelease returns the newest release of the changelog.
func NewestRelease(t *testing.T) Release {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), "CHANGELOG.md"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^## (\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\)$`).FindSubmatch(text)
	if m == nil {
		t.Fatal("CHANGELOG.md has no heading such as ## 0.1.0 (2026-11-28)")
	}
	return Release{string(m[1]), string(m[2])}
}

// Check compares a page with its file, or writes it with -update. Then mandoc
// checks the file, and that it fits a terminal of 80 columns.
func Check(t *testing.T, file string, p *Page) {
	t.Helper()
	path := filepath.Join(root(t), "packaging/man", file)
	if *update {
		if err := os.WriteFile(path, []byte(p.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != p.String() {
		t.Errorf("packaging/man/%s differs from its source (%v); write all pages with\n\t"+
			"go test ./packaging/man ./cmd/vchatd/command ./cmd/vchatctl -run Man -update", file, err)
	}
	mandoc, err := exec.LookPath("mandoc")
	if err != nil && os.Getenv("VCHAT_TEST_TOOLS") != "" {
		t.Fatal("mandoc is not installed: package mandoc")
	} else if err != nil {
		t.Skip("mandoc is not installed: the page was compared, not checked")
	}
	if out, err := exec.Command(mandoc, "-Tlint", path).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("mandoc: %v\n%s", err, out)
	}
	text, err := exec.Command(mandoc, "-Tutf8", "-Owidth=80", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(overstrike.ReplaceAllString(string(text), "")) {
		if n := utf8.RuneCountInString(line) - 1; n > 80 {
			t.Errorf("%s: a line has %d columns, more than 80: %s", file, n, line)
		}
	}
}
