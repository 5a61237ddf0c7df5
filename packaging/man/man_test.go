package man

import (
	"os"
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
