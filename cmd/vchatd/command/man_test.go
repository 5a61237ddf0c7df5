package command

import (
	"strings"
	"testing"

	"vchat/packaging/man"
)

// The page has the texts that --help prints.
func TestMan(t *testing.T) {
	p := man.New("vchatd", 8, man.NewestRelease(t), "the daemon for video calls between devices")
	p.Section("Synopsis")
	var lines []string
	for _, c := range commands() {
		lines = append(lines, c.usageLine())
	}
	p.Synopsis(lines...)
	p.Section("Description")
	p.Text(`vchatd reads frames from the camera, keeps the links to its peers, and serves the control socket,
which vchatctl(1) uses. It runs in the foreground. On Debian, systemd runs it as vchatd.service.`)
	p.Section("Commands")
	for _, c := range commands() {
		p.Subsection(man.Usage(c.usageLine()))
		p.Text(strings.ToUpper(c.short[:1]) + c.short[1:] + ".\n\n" + c.about)
		for _, o := range c.options() {
			term := man.Bold("--" + o.name)
			if o.value != "" {
				term += " " + man.Italic(o.value)
			}
			if o.name != "help" {
				p.Item(term, o.about)
			}
		}
	}
	p.Section("Exit status")
	for line := range strings.Lines(exitCodes) {
		code, meaning, _ := strings.Cut(strings.TrimSpace(line), " ")
		p.Item(man.Bold(code), strings.TrimSpace(meaning))
	}
	p.Section("Files")
	p.Item(man.Bold(defaultConfig), "The configuration, described in vchat.yaml(5).")
	p.Item(man.Bold("/var/lib/vchat"), "The key, the paired peers and the calls of this device.")
	p.Item(man.Bold("/run/vchat/control.sock"), "The control socket.")
	p.Section("See also")
	p.Text("vchatctl(1), vchat.yaml(5), vchat(7), systemctl(1), journalctl(1)")
	man.Check(t, "vchatd.8", p)
}
