package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"vchat/packaging/man"
)

// The page has the texts that --help prints.
func TestMan(t *testing.T) {
	t.Setenv("VCHAT_SOCKET", "")
	root := new(app).root()
	root.InitDefaultHelpCmd()
	root.InitDefaultHelpFlag()

	p := man.New("vchatctl", 1, man.NewestRelease(t), "control vchatd, the daemon for video calls")
	p.Section("Synopsis")
	p.Synopsis("vchatctl [--socket PATH] [--json] COMMAND [ARGUMENT…]", "vchatctl COMMAND --help")
	p.Section("Description")
	about, exitCodes, ok := strings.Cut(root.Long, "Exit codes:\n")
	if !ok {
		t.Fatal("the help of vchatctl has no exit codes")
	}
	p.Text(about)
	p.Section("Options")
	flags(p, root.NonInheritedFlags())
	p.Section("Commands")
	for _, c := range root.Commands() {
		pageCommand(p, c)
	}
	p.Section("Exit status")
	for line := range strings.SplitSeq(exitCodes, "\n") {
		code, meaning, _ := strings.Cut(strings.TrimSpace(line), " ")
		p.Item(man.Bold(code), strings.TrimSpace(meaning))
	}
	p.Section("Environment")
	p.Item(man.Bold("VCHAT_SOCKET"), "The control socket, unless --socket names one.")
	p.Section("See also")
	p.Text("vchatd(8), vchat.yaml(5), vchat(7)")
	man.Check(t, "vchatctl.1", p)
}

// pageCommand adds a command and those below it.
func pageCommand(p *man.Page, c *cobra.Command) {
	if c.Name() == "help" || c.Hidden {
		return
	}
	p.Subsection(man.Usage(strings.TrimSuffix(c.UseLine(), " [flags]")))
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	if c.HasExample() {
		text += "\n\n" + c.Example
	}
	p.Text(text)
	flags(p, c.NonInheritedFlags())
	for _, sub := range c.Commands() {
		pageCommand(p, sub)
	}
}

// flags adds flags as --help lists them.
func flags(p *man.Page, set *pflag.FlagSet) {
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		kind, usage := pflag.UnquoteUsage(f)
		term := man.Bold("--" + f.Name)
		if f.Shorthand != "" {
			term = man.Bold("-"+f.Shorthand) + ", " + term
		}
		if kind != "" {
			term += " " + man.Italic(kind)
		}
		if !strings.Contains(usage, "default") && f.DefValue != "" && f.DefValue != "0" && f.DefValue != "false" &&
			f.DefValue != "0s" {
			usage += " (default " + f.DefValue + ")"
		}
		p.Item(term, usage)
	})
}
