package daemon

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// systemMessages are the words of the kernel and the resolver in
// troubleshooting.md, which no file of ours contains.
var systemMessages = []string{"connection refused", "no route to host", "i/o timeout", "no such host"}

// The messages in troubleshooting.md are those of the programs, so that users
// find them by searching.
func TestTroubleshooting_quotesTheMessages(t *testing.T) {
	doc, err := os.ReadFile("../packaging/doc/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	code := nonTestCode(t)
	rows := regexp.MustCompile("(?m)^\\| (`.*?`) \\|").FindAllStringSubmatch(string(doc), -1)
	if len(rows) < 10 {
		t.Fatalf("got %d rows with messages, want at least 10", len(rows))
	}
	for _, row := range rows {
		for _, message := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(row[1], -1) {
			for part := range strings.SplitSeq(message[1], "…") {
				part = strings.Trim(part, ": ")
				for _, s := range systemMessages {
					part = strings.TrimSuffix(part, s)
				}
				// An error that wraps another is in two places.
				for piece := range strings.SplitSeq(part, ": ") {
					if !strings.Contains(code, piece) {
						t.Errorf("%q: no program has the words %q", message[1], piece)
					}
				}
			}
		}
	}
}

// The changelog begins with this version, from which packaging/release.sh takes
// the date of a release.
func TestChangelog_beginsWithThisVersion(t *testing.T) {
	text, err := os.ReadFile("../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	got := regexp.MustCompile(`(?m)^## .*$`).FindString(string(text))
	want := regexp.MustCompile(`^## ` + regexp.QuoteMeta(Version) + ` \((\d{4}-\d\d-\d\d|unreleased)\)$`)
	if !want.MatchString(got) {
		t.Errorf("first heading: got %q, want ## %s (YEAR-MONTH-DAY) or (unreleased)", got, Version)
	}
}

// nonTestCode returns all Go files of the module but tests.
func nonTestCode(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir("..", func(file string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		b, err := os.ReadFile(file)
		all.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
