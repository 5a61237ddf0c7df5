package main

import (
	"testing"

	"vchat/packaging/man"
)

// The command lines in the documents are possible: the command, its flags and
// the number of its arguments exist. A name without arguments may be a mention.
func TestDocs_commands(t *testing.T) {
	for where, words := range man.Commands(t, "vchatctl") {
		cmd, args, err := new(app).root().Find(words)
		if err != nil {
			t.Errorf("%s: %v", where, err)
			continue
		}
		cmd.InitDefaultHelpFlag()
		if err := cmd.ParseFlags(args); err != nil {
			t.Errorf("%s: %v", where, err)
			continue
		}
		if rest := cmd.Flags().Args(); len(args) > 0 && !cmd.Flags().Changed("help") {
			if err := cmd.ValidateArgs(rest); err != nil {
				t.Errorf("%s: %v", where, err)
			}
		}
	}
}
