package man

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Documents returns the documents for users by name, relative to the root.
func Documents(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, pattern := range []string{"*.md", ".github/*.md", "packaging/doc/*.md"} {
		files, err := filepath.Glob(filepath.Join(root(t), pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name, err := filepath.Rel(root(t), file)
			if err != nil {
				t.Fatal(err)
			}
			all[name] = string(b)
		}
	}
	if len(all) < 10 {
		t.Fatalf("got %d documents, want at least 10", len(all))
	}
	return all
}

// Commands returns the command lines of a program in the documents, as words
// after the program's name. The key says where.
func Commands(t *testing.T, program string) map[string][]string {
	t.Helper()
	// In an indented block, and in backquotes.
	call := regexp.MustCompile("(?m)(?:^    (?:.*(?:sudo |[|;&(] *))?|`(?:sudo )?)(" + program + " [^`\n]*)")
	all := map[string][]string{}
	for name, text := range Documents(t) {
		if name == "CHANGELOG.md" {
			continue // what a release had may be gone
		}
		for _, m := range call.FindAllStringSubmatch(text, -1) {
			line := endOfCommand.Split(m[1], 2)[0]
			if strings.Contains(line, ": ") || strings.HasSuffix(line, " …") {
				continue // a message of the program
			}
			if words := strings.Fields(strings.NewReplacer("'", "", `"`, "").Replace(line)); len(words) > 1 {
				all[name+": "+line] = words[1:]
			}
		}
	}
	if len(all) < 3 {
		t.Fatalf("got %d commands of %s in the documents, want at least 3", len(all), program)
	}
	return all
}

// endOfCommand is what ends a command line: another command, a remark.
var endOfCommand = regexp.MustCompile(` +[|&;#>]|\)|   +`)
