//go:build onefile

package main

import (
	"os"
	"path/filepath"
	"strings"

	"vchat/cmd/vchatd/command"
)

// With the tag onefile this program is vchatd too, under that name, so that a
// package has one file and a link to it. Apart, the two take 7 MB more: both
// have the Go runtime, TLS and HTTP.
func init() {
	runOther = func() (code int, done bool) {
		if !strings.HasPrefix(filepath.Base(os.Args[0]), "vchatd") {
			return 0, false
		}
		return command.Main(), true
	}
}
