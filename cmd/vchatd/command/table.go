package command

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// invocation is one run of a command.
type invocation struct {
	args           []string // after the flags
	stdout, stderr io.Writer
}

// fail prints an error and returns code.
func (in invocation) fail(code int, format string, args ...any) int {
	fmt.Fprintf(in.stderr, "vchatd: error: "+format+"\n", args...)
	return code
}

// command is a command of vchatd. The help and the manual page are made of it.
type command struct {
	name, args string // as in its usage line; name is "" for the daemon
	short      string
	about      string // more lines for the help of this command
	operands   int    // how many arguments may follow the flags
	// define defines the flags, and returns what runs the command after they
	// were parsed. A flag without a description is not in the help.
	define func(*flag.FlagSet) func(invocation) int
}

// commands returns all commands. The first one is the daemon.
func commands() []command {
	return []command{
		{"", "[--config FILE]", "run the daemon in the foreground", aboutDaemon, 0, defineDaemon},
		{"check-config", "[FILE]", "check a configuration file", aboutCheck, 1, defineCheck},
		{"demo", "[--for DURATION] [--dir DIR]", "run two devices that call each other", aboutDemo, 0, defineDemo},
		{"new-id", "[--config FILE]", "give this device a new key and id", aboutNewID, 0, defineNewID},
		{"version", "", "print the version", "", 0, defineVersion},
		{"help", "[COMMAND]", "print help", "", 1, defineHelp},
	}
}

// find returns the command with a name.
func find(name string) (c command, ok bool) {
	for _, c := range commands() {
		if c.name == name {
			return c, true
		}
	}
	return command{}, false
}

// usageLine returns the command as it is typed.
func (c command) usageLine() string {
	return strings.Join(strings.Fields("vchatd "+c.name+" "+c.args), " ")
}

// flags returns the flags of the command, to be parsed before run is called.
func (c command) flags() (fs *flag.FlagSet, run func(invocation) int) {
	fs = flag.NewFlagSet(c.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	return fs, c.define(fs)
}

// run runs the command.
func (c command) run(args []string, stdout, stderr io.Writer) int {
	fs, run := c.flags()
	in := invocation{nil, stdout, stderr}
	err := fs.Parse(args)
	if err == nil && fs.NArg() > c.operands {
		err = fmt.Errorf("unexpected argument %q", fs.Arg(c.operands))
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, c.help())
		return exitDone
	case err != nil:
		in.fail(exitUsage, "%s", flagError(err))
		fmt.Fprintf(stderr, "usage: %s\nvchatd: hint: see vchatd %s\n", c.usageLine(),
			strings.TrimSpace(c.name+" --help"))
		return exitUsage
	}
	in.args = fs.Args()
	return run(in)
}

// flagError returns an error of the package flag in the words of a user, who
// types two hyphens.
func flagError(err error) string {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		return "unknown flag: --" + name
	}
	if name, ok := strings.CutPrefix(text, "flag needs an argument: -"); ok {
		return "flag needs an argument: --" + name
	}
	var value, name string
	// Only durations have a wrong value.
	if _, err := fmt.Sscanf(text, "invalid value %q for flag -%s", &value, &name); err == nil {
		return fmt.Sprintf("--%s must be a duration such as 8s, not %q", strings.TrimSuffix(name, ":"), value)
	}
	return text
}

// help returns what --help prints.
func (c command) help() string {
	var b strings.Builder
	if c.name == "" {
		b.WriteString(usage())
	} else {
		short := strings.ToUpper(c.short[:1]) + c.short[1:]
		fmt.Fprintf(&b, "usage: %s\n\n%s.\n", c.usageLine(), short)
	}
	if c.about != "" {
		fmt.Fprintf(&b, "\n%s\n", c.about)
	}
	b.WriteString("\noptions:\n")
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, o := range c.options() {
		fmt.Fprintf(table, "  --%s\t%s\n", strings.TrimSpace(o.name+" "+o.value), o.about)
	}
	_ = table.Flush()
	if c.name == "" {
		b.WriteString("\nexit codes:\n" + exitCodes)
	}
	return b.String()
}

// option is a flag as the help shows it.
type option struct{ name, value, about string }

// options returns the flags of the command that the help shows.
func (c command) options() []option {
	all := []option{}
	fs, _ := c.flags()
	fs.VisitAll(func(f *flag.Flag) {
		if value, about := flag.UnquoteUsage(f); about != "" {
			if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0s" {
				about += " (default " + f.DefValue + ")"
			}
			all = append(all, option{f.Name, value, about})
		}
	})
	return append(all, option{"help", "", "print this help"})
}

// usage returns a line for each command.
func usage() string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	start := "usage:"
	for _, c := range commands() {
		fmt.Fprintf(table, "%s %s\t%s\n", start, c.usageLine(), c.short)
		start = "      "
	}
	_ = table.Flush()
	return b.String()
}
