package man

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestManConfig(t *testing.T) {
	intro, all := settings(read(t, "../vchat.yaml"))
	if len(all) < 30 {
		t.Fatalf("got %d settings, want at least 30", len(all))
	}
	p := New("vchat.yaml", 5, NewestRelease(t), "configuration of vchatd")
	p.Section("Synopsis")
	p.Synopsis("/etc/vchat.yaml")
	p.Section("Description")
	p.Text(intro)
	p.Section("Settings")
	for _, s := range all {
		path := strings.Replace(s.path, ".workshop", "."+Italic("NAME"), 1)
		term := `\fB` + path + `\fR`
		if s.value != "" && s.example {
			term += ", such as " + escape(s.value)
		} else if s.value != "" {
			term += " (default: " + escape(s.value) + ")"
		}
		if s.about == "" && s.value == "" {
			continue // a heading of others
		}
		p.Item(term, s.about)
	}
	p.Section("See also")
	p.Text("vchatd(8), vchatctl(1), vchat(7)")
	Check(t, "vchat.yaml.5", p)
}

func TestManOverview(t *testing.T) {
	p := New("vchat", 7, NewestRelease(t), "video calls between small Linux devices")
	p.Section("Description")
	p.Markdown(read(t, "../doc/overview.md"))
	p.Section("Trouble")
	p.Markdown(read(t, "../doc/troubleshooting.md"))
	p.Section("Security")
	p.Markdown(read(t, "../../.github/SECURITY.md"))
	p.Section("Files")
	p.Item(Bold("/usr/share/doc/vchat"), "More documents, in Markdown.")
	p.Section("See also")
	p.Text("vchatctl(1), vchatd(8), vchat.yaml(5)")
	Check(t, "vchat.7", p)
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var link = regexp.MustCompile(`\]\(([^)#]*)(?:#([^)]*))?\)`)

// Each link of a document leads to a file and to a heading in it.
func TestLinks(t *testing.T) {
	for name, text := range Documents(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			target := filepath.Join(root(t), filepath.Dir(name), m[1])
			if m[1] == "" {
				target = filepath.Join(root(t), name)
			}
			b, err := os.ReadFile(target)
			if info, statErr := os.Stat(target); statErr == nil && info.IsDir() {
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if m[2] != "" && !hasHeading(string(b), m[2]) {
				t.Errorf("%s: %s has no heading #%s", name, m[1], m[2])
			}
		}
	}
}

// hasHeading reports whether a document has a heading with an anchor, as GitHub
// makes it.
func hasHeading(doc, anchor string) bool {
	for line := range strings.Lines(doc) {
		title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		made := strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), ""), " ",
			"-")
		if ok && strings.HasPrefix(line, "#") && made == anchor {
			return true
		}
	}
	return false
}

var notInAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
