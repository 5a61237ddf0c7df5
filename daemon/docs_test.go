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
var systemMessages = []string{"connection refused", "no route to host", "no such host"}

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
			checkQuoted(t, message[1], code)
		}
	}
}

// So are those in the table of README.md.
func TestReadme_quotesTheMessages(t *testing.T) {
	doc, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(doc), "| on the screen | what to do |\n| --- | --- |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := strings.Split(table, "\n")
	if !found || len(rows) < 4 {
		t.Fatalf("got %d rows of messages (table found: %v), want at least 4", len(rows), found)
	}
	code := nonTestCode(t)
	for _, row := range rows {
		message, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " |")
		checkQuoted(t, message, code)
	}
}

// checkQuoted checks that a message, in which … stands for any text, has the
// words of the code.
func checkQuoted(t *testing.T, message, code string) {
	t.Helper()
	for part := range strings.SplitSeq(message, "…") {
		part = strings.Trim(part, ": ")
		for _, s := range systemMessages {
			part = strings.TrimSuffix(part, s)
		}
		// An error that wraps another is in two places.
		for piece := range strings.SplitSeq(part, ": ") {
			if !strings.Contains(code, piece) {
				t.Errorf("%q: no program has the words %q", message, piece)
			}
		}
	}
}

// A new maintainer finds each package in the table of CONTRIBUTING.md.
func TestContributing_namesThePackages(t *testing.T) {
	doc, err := os.ReadFile("../.github/CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "| folder | what it is |")
	table, _, _ = strings.Cut(table, "\n\n")
	named := map[string]bool{}
	for _, name := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(table, -1) {
		named[filepath.Base(name[1])] = true
	}
	for _, pattern := range []string{"*", "../cmd/*", "../cmd/vchatctl/internal/*", "../cmd/vchatctl/internal/view/*"} {
		files, err := filepath.Glob(filepath.Join(pattern, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: got %d files and error %v, want some", pattern, len(files), err)
		}
		for _, file := range files {
			if dir := filepath.Dir(file); !named[filepath.Base(dir)] {
				t.Errorf("no row names %s", filepath.Clean(filepath.Join("daemon", dir)))
				named[filepath.Base(dir)] = true
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
