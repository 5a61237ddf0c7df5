package command

import (
	"strings"
	"testing"

	"vchat/packaging/man"
)

// The command lines in the documents are possible: the command, its flags and
// the number of its arguments exist.
func TestDocs_commands(t *testing.T) {
	for where, words := range man.Commands(t, "vchatd") {
		name := ""
		if !strings.HasPrefix(words[0], "-") {
			name, words = words[0], words[1:]
		}
		c, ok := find(name)
		if !ok {
			t.Errorf("%s: no such command", where)
			continue
		}
		fs, _ := c.flags()
		if err := fs.Parse(words); err != nil || fs.NArg() > c.operands {
			t.Errorf("%s: %v, arguments %q", where, err, fs.Args())
		}
	}
}
